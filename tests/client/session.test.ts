/** The life of the connection, without one: time and chance are given. */
import { OfflineError } from '@rma/client';
import { Session, type SessionEffect } from '@rma/client/session';
import type { Welcome } from '@rma/protocol/down';
import { ProtocolError } from '@rma/protocol/error';
import { describe, expect, it } from 'vitest';

const welcome: Welcome = {
  type: 'welcome',
  protocol: 1,
  session: 's',
  role: 'client',
  subject: 'me',
  server: { name: 'pool', version: '1' },
  features: [],
  heartbeatMs: 3_000,
  silenceMs: 8_000,
};

const names = (effects: readonly SessionEffect[]) => effects.map((effect) => effect.do);
const HALF = 0.5;

function dialling(offlineTimeoutMs?: number): Session {
  const session = new Session('ws://pool/ws', 0, offlineTimeoutMs);
  expect(names(session.tick(0, 0, HALF))).toEqual(['dial']);
  return session;
}

function ready(atMs = 0): Session {
  const session = dialling();
  expect(names(session.opened(atMs))).toEqual(['hello']);
  expect(names(session.welcomed(welcome, atMs))).toEqual(['begin']);
  return session;
}

describe('dialling', () => {
  it('dials at once, and again after ever longer, random waits', () => {
    const session = dialling();
    const waits: number[] = [];
    let nowMs = 0;
    for (let i = 0; i < 12; i += 1) {
      session.closed(1006, 'ECONNREFUSED', nowMs, HALF);
      const dueMs = session.dueAtMs() as number;
      waits.push(dueMs - nowMs);
      expect(names(session.tick(dueMs - 1, 0, HALF))).toEqual([]);
      nowMs = dueMs;
      expect(names(session.tick(nowMs, 0, HALF))).toEqual(['dial']);
    }
    expect(waits.slice(0, 6)).toEqual([125, 250, 500, 1_000, 2_000, 2_500]);
    expect(waits.at(-1)).toBe(2_500);
  });

  it('waits up to 30 s between dials once a minute has passed', () => {
    const session = dialling();
    for (let i = 0; i < 20; i += 1) {
      session.closed(1006, '', 61_000 + i, 0.999);
      session.tick(session.dueAtMs() as number, 0, HALF);
    }
    session.closed(1006, '', 62_000, 0.999);
    expect((session.dueAtMs() as number) - 62_000).toBeGreaterThan(29_000);
  });

  it('gives a handshake up that nobody answers', () => {
    const session = dialling();
    expect(names(session.tick(9_999, 0, HALF))).toEqual([]);
    expect(names(session.tick(10_000, 0, HALF))).toEqual(['drop', 'lost']);
  });

  it('comes back when the coordinator said it would be there again', () => {
    const session = ready();
    session.goodbye({ type: 'goodbye', reason: 'going_away', message: 'restarting', reconnectAfterMs: 4_000 });
    session.closed(1001, '', 5_000, HALF);
    expect(session.dueAtMs()).toBe(5_000 + 4_000 + 125);
  });

  it('does not hammer a coordinator that ends every session at once', () => {
    const session = dialling();
    const waits: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      session.opened(0);
      session.welcomed(welcome, 0);
      session.closed(1011, '', 10, HALF);
      waits.push((session.dueAtMs() as number) - 10);
      session.tick(session.dueAtMs() as number, 0, HALF);
    }
    expect(waits).toEqual([125, 250, 500, 1_000, 2_000]);
  });
});

describe('giving up', () => {
  it('never does so by itself without a limit', () => {
    const session = dialling();
    session.closed(1006, '', 86_400_000, HALF);
    expect(session.state.name).toBe('waiting');
  });

  it('does so after the limit, with the last reason', () => {
    const session = dialling(10_000);
    session.closed(1006, 'ECONNREFUSED', 9_000, HALF);
    const [, end] = session.tick(10_000, 0, HALF);
    expect(end).toMatchObject({ do: 'end' });
    const { error } = end as Extract<SessionEffect, { do: 'end' }>;
    expect(error).toBeInstanceOf(OfflineError);
    expect(error.message).toContain('ECONNREFUSED');
    expect(session.state.name).toBe('closed');
  });

  it('counts the limit from the end of the last session', () => {
    const session = ready();
    session.offlineTimeoutMs = 10_000;
    session.closed(1006, '', 100_000, HALF);
    expect(session.state.name).toBe('waiting');
    session.tick(session.dueAtMs() as number, 0, HALF);
    expect(names(session.closed(1006, '', 110_000, HALF))).toEqual(['drop', 'end']);
  });

  it.each([
    [4401, 'unauthenticated'],
    [4498, 'unauthenticated'],
    [4403, 'forbidden'],
    [4426, 'unsupported_version'],
    [1009, 'too_large'],
  ] as const)('does so on close code %i, as %s', (code, kind) => {
    const session = ready();
    const effects = session.closed(code, '', 5_000, HALF);
    expect(names(effects)).toEqual(['drop', 'end']);
    expect(effects.at(-1)).toMatchObject({ error: { kind } });
  });

  it.each([1000, 1001, 1005, 1006, 1011, 1012, 1013, 4408, 4410, 4429])('dials again after close code %i', (code) => {
    expect(names(ready().closed(code, '', 5_000, HALF))).toEqual(['lost']);
  });

  it('does so where the token is for another role', () => {
    const session = dialling();
    session.opened(0);
    const effects = session.welcomed({ ...welcome, role: 'worker' }, 0);
    expect(effects.at(-1)).toMatchObject({ do: 'end', error: { kind: 'forbidden' } });
  });

  it('does so at the third message in a row that it cannot understand', () => {
    const fault = new ProtocolError('invalid', 'accepted: /tasks must be array');
    const session = ready();
    for (let i = 0; i < 2; i += 1) {
      expect(names(session.fault(fault, 0, HALF))).toEqual(['drop', 'lost']);
      session.tick(session.dueAtMs() as number, 0, HALF);
      session.opened(0);
      session.welcomed(welcome, 0);
    }
    expect(names(session.fault(fault, 0, HALF))).toEqual(['drop', 'end']);
  });
});

describe('liveness', () => {
  it('beats after 3 s without sending', () => {
    const session = ready();
    expect(names(session.tick(2_999, 0, HALF))).toEqual([]);
    expect(names(session.tick(3_000, 0, HALF))).toEqual(['heartbeat']);
    session.sent(3_000);
    session.heard(3_000);
    expect(names(session.tick(4_000, 0, HALF))).toEqual([]);
  });

  it('drops a connection that is silent for 8 s, with the code for that', () => {
    const session = ready();
    session.sent(7_999);
    expect(names(session.tick(7_999, 0, HALF))).toEqual([]);
    const effects = session.tick(8_000, 0, HALF);
    expect(names(effects)).toEqual(['drop', 'lost']);
    expect(effects[0]).toMatchObject({ code: 4410 });
  });

  it('does not take its own suspension for the silence of the other side', () => {
    const session = ready();
    session.sent(60_000);
    expect(names(session.tick(60_000, 59_000, HALF))).toEqual([]);
  });
});
