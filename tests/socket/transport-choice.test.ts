import { chooseTransport, TransportUnavailable } from '@rma/server/socket/choose-transport';
import { loadUws } from '@rma/server/socket/uws';
import { createWsTransport } from '@rma/server/socket/ws';
import { describe, expect, it } from 'vitest';

const broken = () =>
  ({
    ok: false,
    reason: 'uWebSockets.js does not load with Node 24.0.0 on linux x64: its binary needs GLIBC_2.38 or later',
  }) as const;

describe('choosing a transport', () => {
  it('takes uWebSockets.js by itself where it loads, and else ws with a note that says why', () => {
    const loaded = loadUws();
    const chosen = chooseTransport('auto');
    expect(chosen.name).toBe(loaded.ok ? 'uws' : 'ws');
    if (loaded.ok) expect(chosen.note).toBeUndefined();
    else expect(chosen.note).toContain(loaded.reason);
  });

  it('falls back to ws in one line that names the reason', () => {
    const chosen = chooseTransport('auto', broken);
    expect(chosen).toMatchObject({ name: 'ws', factory: createWsTransport });
    expect(chosen.note).toBe(
      'uWebSockets.js does not load with Node 24.0.0 on linux x64: its binary needs GLIBC_2.38 or later; using ws instead, which is slower',
    );
  });

  it('refuses uws by name where it does not load, and says what to do', () => {
    expect(() => chooseTransport('uws', broken)).toThrow(TransportUnavailable);
    expect(() => chooseTransport('uws', broken)).toThrow(/GLIBC_2\.38 or later\..*2\.27 for Node 20.*--transport ws$/);
  });

  it('takes ws without trying the binary', () => {
    const chosen = chooseTransport('ws', () => {
      throw new Error('tried');
    });
    expect(chosen).toEqual({ name: 'ws', factory: createWsTransport });
  });
});
