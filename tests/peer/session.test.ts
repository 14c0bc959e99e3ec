/** The session of the dialling side, for both roles, without a socket: time and chance are given. */
import { afterClose, longDelayMs } from '@rma/peer/close-policy';
import { Session, type SessionEffect, type SessionOptions } from '@rma/peer/session';
import type { DownOf, Welcome } from '@rma/protocol/down';
import { CLOSE, type CloseName, ProtocolError } from '@rma/protocol/error';
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
const ROLES = ['client', 'worker'] as const;
const HALF = 0.5;

const names = (effects: readonly SessionEffect[]) => effects.map((effect) => effect.do);

function goodbye(reason: CloseName, reconnectAfterMs?: number): DownOf<'goodbye'> {
  return { type: 'goodbye', reason, message: reason, ...(reconnectAfterMs === undefined ? {} : { reconnectAfterMs }) };
}

function dialling(options: Partial<SessionOptions> = {}): Session {
  const session = new Session({ role: 'client', ...options });
  session.start(0);
  expect(names(session.tick(0, 0, HALF))).toEqual(['dial']);
  return session;
}

function greet(session: Session, atMs: number): void {
  expect(names(session.opened(atMs))).toEqual(['hello']);
  expect(names(session.received(welcome, atMs) ?? [])).toEqual(['begin']);
}

function online(options: Partial<SessionOptions> = {}, atMs = 0): Session {
  const session = dialling(options);
  greet(session, atMs);
  return session;
}

/** Dials when that is due, and greets; with the time. */
function redial(session: Session): number {
  const dueMs = session.dueAtMs() as number;
  expect(names(session.tick(dueMs, 0, HALF))).toEqual(['dial']);
  return dueMs;
}

function waitAfter(session: Session, nowMs: number): number {
  return (session.dueAtMs() as number) - nowMs;
}

describe('dialling', () => {
  it('dials at once, and again after ever longer, random waits', () => {
    const session = dialling();
    const waits: number[] = [];
    let nowMs = 0;
    for (let i = 0; i < 12; i += 1) {
      session.closed(1006, 'ECONNREFUSED', nowMs, HALF);
      waits.push(waitAfter(session, nowMs));
      expect(names(session.tick(nowMs + (waits.at(-1) as number) - 1, 0, HALF))).toEqual([]);
      nowMs = redial(session);
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
    expect(waitAfter(session, 62_000)).toBeGreaterThan(29_000);
    expect(waitAfter(session, 62_000)).toBeLessThanOrEqual(30_000);
  });

  it('gives a handshake up that nobody answers', () => {
    const session = dialling();
    expect(names(session.tick(9_999, 0, HALF))).toEqual([]);
    expect(names(session.tick(10_000, 0, HALF))).toEqual(['drop', 'lost']);
  });

  it('waits as long as goodbye says, and up to as much again', () => {
    for (const role of ROLES) {
      const session = online({ role });
      session.received(goodbye('going_away', 4_000), 5_000);
      session.closed(1001, '', 5_000, HALF);
      expect(waitAfter(session, 5_000)).toBe(6_000);
    }
  });

  it('does not hammer a coordinator that ends every session at once', () => {
    const session = dialling();
    const waits: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      greet(session, 0);
      session.closed(1011, '', 10, HALF);
      waits.push(waitAfter(session, 10));
      redial(session);
    }
    expect(waits).toEqual([125, 250, 500, 1_000, 2_000]);
  });

  it('is not dialled while suspended, and at once when it starts again', () => {
    const session = online({ role: 'worker' });
    expect(session.suspend()).toEqual([{ do: 'drop', code: 1000, reason: 'done' }]);
    expect(session.dueAtMs()).toBeUndefined();
    expect(session.tick(60_000, 0, HALF)).toEqual([]);
    session.start(90_000);
    expect(names(session.tick(90_000, 0, HALF))).toEqual(['dial']);
  });
});

describe('a greeting', () => {
  it('without a welcome is given up after 20 s, however alive the coordinator is', () => {
    const session = dialling();
    session.opened(0);
    for (let nowMs = 1_000; nowMs < 20_000; nowMs += 1_000) {
      session.heard(nowMs);
      session.sent(nowMs);
      expect(session.tick(nowMs, 0, HALF)).toEqual([]);
    }
    session.heard(20_000);
    expect(names(session.tick(20_000, 0, HALF))).toEqual(['drop', 'lost']);
  });

  it.each(['unauthenticated', 'revoked', 'unsupported_version'] as const)('refused as %s ends both roles', (close) => {
    for (const role of ROLES) {
      const session = dialling({ role });
      session.opened(0);
      session.received({ type: 'error', error: { kind: 'unauthenticated', message: 'the reason in words' } }, 1);
      session.received(goodbye(close), 1);
      const [effect] = session.closed(CLOSE[close].code, '', 2, HALF);
      expect(effect).toMatchObject({ do: 'end', end: { cause: 'refused', close } });
      expect(effect).toMatchObject({ end: { error: { kind: 'unauthenticated', message: 'the reason in words' } } });
      expect(session.state.name).toBe('ended');
    }
  });

  it('whose session does not fit this side ends it', () => {
    const unfit = () => ({ close: 'forbidden', message: 'use another token' }) as const;
    const session = dialling({ unfit });
    session.opened(0);
    const effects = session.received({ ...welcome, role: 'worker' }, 0) ?? [];
    expect(names(effects)).toEqual(['drop', 'end']);
    expect(effects.at(-1)).toMatchObject({ end: { cause: 'refused', error: { kind: 'forbidden' } } });
  });
});

describe('the policy of close codes', () => {
  it('dials again for every code that says so, in both roles, and for those that are not the protocol’s', () => {
    const retried = (Object.keys(CLOSE) as CloseName[]).filter((name) => CLOSE[name].retry && name !== 'replaced');
    for (const role of ROLES)
      for (const close of [undefined, ...retried]) expect(afterClose(close, role, true)).toBe('backoff');
    for (const role of ROLES) expect(afterClose('replaced', role, true)).toBe('wait');
  });

  it.each([
    ['unauthenticated', 'stop', 'stop'],
    ['unsupported_version', 'stop', 'stop'],
    ['revoked', 'stop', 'stop'],
    ['bad_frame', 'stop', 'wait-longer'],
    ['forbidden', 'stop', 'wait-longer'],
    ['frame_too_large', 'stop', 'wait-longer'],
    ['normal', 'stop', 'backoff'],
  ] as const)('%s means %s to a client and %s to a worker', (close, client, worker) => {
    expect(CLOSE[close].retry).toBe(false);
    expect([afterClose(close, 'client', true), afterClose(close, 'worker', true)]).toEqual([client, worker]);
  });

  it('takes a bare 1000 for a proxy’s', () => {
    expect(afterClose('normal', 'client', false)).toBe('backoff');
  });

  it.each([
    [4401, 'unauthenticated'],
    [4498, 'unauthenticated'],
    [4403, 'forbidden'],
    [4426, 'unsupported_version'],
    [4400, 'invalid'],
    [1009, 'too_large'],
  ] as const)('ends a client on %i, as %s', (code, kind) => {
    const effects = online().closed(code, '', 5_000, HALF);
    expect(effects).toMatchObject([{ do: 'end', end: { cause: 'refused', error: { kind } } }]);
  });

  it.each([1000, 1001, 1005, 1006, 1011, 1012, 1013, 4408, 4410, 4429])('dials again after close code %i', (code) => {
    for (const role of ROLES) {
      const session = online({ role });
      expect(names(session.closed(code, '', 5_000, HALF))).toEqual(['lost']);
      expect(waitAfter(session, 5_000)).toBeLessThanOrEqual(250);
    }
  });

  it('waits 30 s after another took its place', () => {
    const session = online({ role: 'worker' });
    session.received(goodbye('replaced'), 5_000);
    expect(session.closed(4409, '', 5_000, 0)).toMatchObject([{ lost: { close: 'replaced', afterMs: 30_000 } }]);
  });

  it.each(['bad_frame', 'forbidden', 'frame_too_large'] as const)(
    'has a worker outwait %s: 30 s at first, 15 min at most, for ever, with the reason',
    (close) => {
      const session = dialling({ role: 'worker' });
      const waits: number[] = [];
      let nowMs = 0;
      for (let i = 0; i < 8; i += 1) {
        greet(session, nowMs);
        const [effect] = session.closed(CLOSE[close].code, 'the text of it', nowMs + 2_000, 0);
        expect(effect).toMatchObject({ do: 'lost', lost: { wasOnline: true, close } });
        expect(effect).toMatchObject({ lost: { why: expect.stringContaining('the text of it') } });
        waits.push(waitAfter(session, nowMs + 2_000));
        nowMs = redial(session);
      }
      expect(waits.map((ms) => ms / 1_000)).toEqual([30, 60, 120, 240, 480, 900, 900, 900]);
      // A session of a minute shows that it works again.
      greet(session, nowMs);
      session.closed(CLOSE[close].code, '', nowMs + 60_000, 0);
      expect(waitAfter(session, nowMs + 60_000)).toBe(30_000);
    },
  );

  it('spreads long waits over a tenth', () => {
    expect([longDelayMs(0, 0), longDelayMs(0, 0.5), longDelayMs(99, 0.999)]).toEqual([30_000, 31_500, 989_910]);
  });
});

describe('bad frames', () => {
  const fault = new ProtocolError('invalid', 'accepted: /tasks must be array');

  it('drop the session with 4400, to be reconciled in the next', () => {
    for (const role of ROLES) {
      const effects = online({ role }).badFrame(fault, 0, HALF);
      expect(names(effects)).toEqual(['drop', 'lost']);
      expect(effects[0]).toMatchObject({ code: 4400 });
    }
  });

  function third(role: 'client' | 'worker'): { session: Session; effects: readonly SessionEffect[]; nowMs: number } {
    const session = dialling({ role });
    let nowMs = 0;
    for (let i = 0; i < 2; i += 1) {
      greet(session, nowMs);
      session.badFrame(fault, nowMs, HALF);
      nowMs = redial(session);
    }
    greet(session, nowMs);
    return { session, effects: session.badFrame(fault, nowMs, 0), nowMs };
  }

  it('end a client at the third in a row, with the advice to update', () => {
    const { effects } = third('client');
    expect(names(effects)).toEqual(['drop', 'end']);
    expect(effects).toMatchObject([
      { code: 4400 },
      {
        end: { close: 'bad_frame', error: { kind: 'unsupported_version', message: expect.stringContaining('update') } },
      },
    ]);
  });

  it('are outwaited by a worker from the third in a row on', () => {
    const { session, effects, nowMs } = third('worker');
    expect(effects).toMatchObject([{ code: 4400 }, { do: 'lost', lost: { close: 'bad_frame', afterMs: 30_000 } }]);
    session.tick(nowMs + 30_000, 0, HALF);
    greet(session, nowMs + 30_000);
    session.badFrame(fault, nowMs + 30_000, 0);
    expect(waitAfter(session, nowMs + 30_000)).toBe(60_000);
  });

  it('are not in a row where a minute of service lies between them', () => {
    const session = online();
    let nowMs = 0;
    for (let i = 0; i < 5; i += 1) {
      expect(names(session.badFrame(fault, nowMs + 60_000, HALF))).toEqual(['drop', 'lost']);
      nowMs = redial(session);
      greet(session, nowMs);
    }
  });
});

describe('giving up', () => {
  it('never happens by itself without a limit', () => {
    const session = dialling();
    session.closed(1006, '', 86_400_000, HALF);
    expect(session.state.name).toBe('waiting');
  });

  it('happens after the limit, with the last reason', () => {
    const session = dialling({ offlineTimeoutMs: 10_000 });
    session.closed(1006, 'ECONNREFUSED', 9_000, HALF);
    expect(session.tick(10_000, 0, HALF).at(-1)).toMatchObject({
      do: 'end',
      end: { cause: 'offline', offlineMs: 10_000, reason: 'ECONNREFUSED' },
    });
    expect(session.state.name).toBe('ended');
  });

  it('counts the limit from the end of the last session', () => {
    const session = online();
    session.offlineTimeoutMs = 10_000;
    session.closed(1006, '', 100_000, HALF);
    expect(session.state.name).toBe('waiting');
    redial(session);
    expect(names(session.closed(1006, '', 110_000, HALF))).toEqual(['drop', 'end']);
  });

  it('leaves with 1000, whatever it was about to do', () => {
    for (const session of [dialling(), online(), new Session({ role: 'worker' })]) {
      expect(session.leave()).toEqual([
        { do: 'drop', code: 1000, reason: 'done' },
        { do: 'end', end: { cause: 'left' } },
      ]);
      expect(session.leave()).toEqual([]);
    }
  });
});

describe('liveness', () => {
  it('sends a heartbeat after 3 s without sending', () => {
    const session = online();
    expect(names(session.tick(2_999, 0, HALF))).toEqual([]);
    expect(names(session.tick(3_000, 0, HALF))).toEqual(['heartbeat']);
    session.sent(3_000);
    session.heard(3_000);
    expect(names(session.tick(4_000, 0, HALF))).toEqual([]);
  });

  it('drops a connection that is silent for 8 s, with the code for that', () => {
    const session = online();
    session.sent(7_999);
    expect(names(session.tick(7_999, 0, HALF))).toEqual([]);
    const effects = session.tick(8_000, 0, HALF);
    expect(names(effects)).toEqual(['drop', 'lost']);
    expect(effects[0]).toMatchObject({ code: 4410 });
  });

  it('does not take its own suspension for the silence of the other side', () => {
    const session = online();
    session.sent(60_000);
    expect(names(session.tick(60_000, 59_000, HALF))).toEqual([]);
  });
});
