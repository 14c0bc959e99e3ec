import { Session, type SessionEffect } from '@rma/agent/link/session';
import type { DownOf } from '@rma/protocol/down';
import { describe, expect, it } from 'vitest';

const WELCOME: DownOf<'welcome'> = {
  type: 'welcome',
  protocol: 1,
  session: '1',
  role: 'worker',
  subject: 'test',
  server: { name: 'test', version: '0' },
  features: [],
  heartbeatMs: 3_000,
  silenceMs: 8_000,
};

function goodbye(reason: DownOf<'goodbye'>['reason'], reconnectAfterMs?: number): DownOf<'goodbye'> {
  return { type: 'goodbye', reason, message: reason, ...(reconnectAfterMs === undefined ? {} : { reconnectAfterMs }) };
}

function onlineAt(nowMs: number): Session {
  const session = new Session();
  session.start(nowMs);
  session.dialled();
  session.opened(nowMs);
  session.received(WELCOME, nowMs);
  return session;
}

function dialDelay(effects: readonly SessionEffect[]): number | undefined {
  return effects.find((effect) => effect.do === 'dial')?.afterMs;
}

describe('a session', () => {
  it('greets once its connection is open, and is online with the welcome', () => {
    const session = new Session();
    expect(session.start(0)).toEqual([{ do: 'dial', afterMs: 0 }]);
    session.dialled();
    expect(session.opened(5)).toEqual([{ do: 'greet' }]);
    expect(session.received(WELCOME, 6)).toEqual([{ do: 'joined', welcome: WELCOME }]);
    expect(session.state).toBe('online');
  });

  it('dials for ever, with growing waits under the caps of the backoff', () => {
    const session = new Session();
    session.start(0);
    const waits: number[] = [];
    let now = 0;
    for (let dial = 0; dial < 40; dial += 1) {
      session.dialled();
      const wait = dialDelay(session.closed(1006, 'refused', now, 0.999)) ?? -1;
      waits.push(wait);
      now += wait;
    }
    expect(waits[0]).toBeLessThanOrEqual(250);
    expect(Math.max(...waits.slice(0, 12))).toBeLessThanOrEqual(5_000);
    expect(Math.max(...waits)).toBeGreaterThan(20_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(30_000);
  });

  it('sends a heartbeat after three seconds without sending, not after anything was sent', () => {
    const session = onlineAt(0);
    session.heard(2_900);
    expect(session.tick(2_900, 0, 0)).toEqual([]);
    expect(session.tick(3_000, 0, 0)).toEqual([{ do: 'heartbeat' }]);
    session.sent(3_000);
    session.heard(5_900);
    expect(session.tick(5_900, 0, 0)).toEqual([]);
  });

  it('takes eight seconds of silence for a dead coordinator and dials again', () => {
    const session = onlineAt(0);
    session.sent(7_500);
    const effects = session.tick(8_000, 0, 0.5);
    expect(effects.map((effect) => effect.do)).toEqual(['abandon', 'lost', 'dial']);
    expect(session.state).toBe('waiting');
  });

  it('does not take its own suspension for the silence of the coordinator', () => {
    const session = onlineAt(0);
    session.sent(60_000);
    expect(session.tick(60_000, 59_000, 0)).toEqual([]);
    expect(session.state).toBe('online');
  });

  it('waits as long as goodbye says, plus jitter, before it dials again', () => {
    const session = onlineAt(0);
    session.received(goodbye('going_away', 2_000), 5_000);
    expect(dialDelay(session.closed(1001, '', 5_000, 0.5))).toBe(3_000);
  });

  it('waits half a minute after another agent took its place', () => {
    const session = onlineAt(0);
    session.received(goodbye('replaced'), 5_000);
    expect(dialDelay(session.closed(4409, '', 5_000, 0))).toBe(30_000);
  });

  it.each([
    ['revoked', 4498],
    ['unauthenticated', 4401],
    ['unsupported_version', 4426],
  ] as const)('gives up when it is told %s', (reason, code) => {
    const session = new Session();
    session.start(0);
    session.dialled();
    session.opened(0);
    session.received({ type: 'error', error: { kind: 'unauthenticated', message: 'the reason in words' } }, 1);
    expect(session.closed(code, '', 2, 0)).toEqual([
      { do: 'end', end: { cause: 'refused', close: reason, message: 'the reason in words' } },
    ]);
    expect(session.state).toBe('ended');
  });

  it('keeps backing off while sessions end as soon as they have begun', () => {
    const session = new Session();
    session.start(0);
    let last = 0;
    for (let now = 0; now < 6; now += 1) {
      session.dialled();
      session.opened(now);
      session.received(WELCOME, now);
      last = dialDelay(session.closed(1006, 'reset', now, 0.99)) ?? 0;
    }
    expect(last).toBeGreaterThan(1_000);
  });

  it('leaves with 1000 and ends when that is answered, or at last without an answer', () => {
    const answered = onlineAt(0);
    expect(answered.leave(10)).toEqual([{ do: 'close', code: 1000, reason: 'done' }]);
    expect(answered.closed(1000, '', 11, 0)).toEqual([{ do: 'end', end: { cause: 'left' } }]);
    const unanswered = onlineAt(0);
    unanswered.leave(10);
    expect(unanswered.tick(2_000, 0, 0).map((effect) => effect.do)).toEqual(['abandon', 'end']);
  });
});
