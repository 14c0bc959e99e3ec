/**
 * The life of the agent's connection as a pure machine: when to dial, when to greet, when the peer counts as dead, what
 * a close means, when to give up. It has no clock, socket or randomness; it is told what happened and says what to do.
 */
import { reconnectDelayMs } from '@rma/protocol/backoff';
import type { Down, DownOf } from '@rma/protocol/down';
import { CLOSE, type CloseName, closeName, type WireError } from '@rma/protocol/error';
import { judgeLiveness, type Liveness, livenessAt } from '@rma/protocol/liveness';

/** How long the coordinator may take to answer `hello`, while it does show signs of life. */
const WELCOME_MS = 20_000;
/** Wait before dialling again where an earlier dial would only do harm: another agent has the identity, or a defect. */
const SLOW_MS = 30_000;
/** A session that lasted shorter counts as a failed dial, so that a flapping peer is not dialled in a tight loop. */
const SETTLED_MS = 1_000;
/** How long the closing handshake may take. */
const LEAVE_MS = 1_000;

type State =
  | { readonly name: 'new' }
  | { readonly name: 'waiting' }
  | { readonly name: 'dialling' }
  | { readonly name: 'greeting'; readonly sinceMs: number; readonly liveness: Liveness }
  | { readonly name: 'online'; readonly sinceMs: number; readonly liveness: Liveness }
  | { readonly name: 'leaving'; readonly sinceMs: number }
  | { readonly name: 'ended' };
export type SessionStateName = State['name'];

/** Every legal move. What is not here throws. */
const MOVES: Readonly<Record<SessionStateName, readonly SessionStateName[]>> = {
  new: ['dialling', 'ended'],
  waiting: ['dialling', 'ended'],
  dialling: ['greeting', 'waiting', 'ended'],
  greeting: ['online', 'waiting', 'leaving', 'ended'],
  online: ['waiting', 'leaving', 'ended'],
  leaving: ['ended'],
  ended: [],
};

/** Why the agent does not dial any more. */
export type SessionEnd =
  | { readonly cause: 'left' }
  | {
      readonly cause: 'refused';
      readonly close: 'unauthenticated' | 'revoked' | 'unsupported_version';
      readonly message: string;
    };

export type SessionEffect =
  | { readonly do: 'dial'; readonly afterMs: number }
  | { readonly do: 'greet' }
  | { readonly do: 'heartbeat' }
  /** Closes the connection properly; its end is still to be told. */
  | { readonly do: 'close'; readonly code: number; readonly reason: string }
  /** Closes the connection, if there is one; nothing more that it tells is wanted. */
  | { readonly do: 'abandon'; readonly code: number; readonly reason: string }
  | { readonly do: 'joined'; readonly welcome: DownOf<'welcome'> }
  /** A session, or a dial, came to nothing; `afterMs` until the next dial. */
  | {
      readonly do: 'lost';
      readonly wasOnline: boolean;
      readonly why: string;
      readonly afterMs: number;
      readonly close?: CloseName;
    }
  | { readonly do: 'end'; readonly end: SessionEnd };

const FINAL: readonly CloseName[] = ['unauthenticated', 'revoked', 'unsupported_version'];
const SLOW: readonly CloseName[] = ['replaced', 'bad_frame', 'forbidden', 'frame_too_large'];

/** The machine; see the file's head. Times are monotonic, in ms; `random` is from 0 (inclusive) to 1 (exclusive). */
export class Session {
  #state: State = { name: 'new' };
  /** Dials that failed in a row. */
  #failures = 0;
  #offlineSinceMs = 0;
  #goodbye: DownOf<'goodbye'> | undefined;
  #complaint: WireError | undefined;

  get state(): SessionStateName {
    return this.#state.name;
  }

  /** The first dial. */
  start(nowMs: number): SessionEffect[] {
    this.#offlineSinceMs = nowMs;
    return [{ do: 'dial', afterMs: 0 }];
  }

  /** The shell begins to open a connection. */
  dialled(): void {
    this.#goodbye = undefined;
    this.#complaint = undefined;
    this.#move({ name: 'dialling' });
  }

  /** The connection is open. */
  opened(nowMs: number): SessionEffect[] {
    this.#move({ name: 'greeting', sinceMs: nowMs, liveness: livenessAt(nowMs) });
    return [{ do: 'greet' }];
  }

  /** Any frame came. */
  heard(nowMs: number): void {
    if (this.#state.name === 'online' || this.#state.name === 'greeting') this.#state.liveness.heardAtMs = nowMs;
  }

  /** Any frame was handed to the connection. */
  sent(nowMs: number): void {
    if (this.#state.name === 'online' || this.#state.name === 'greeting') this.#state.liveness.sentAtMs = nowMs;
  }

  /** The messages that are about the session itself; others are not this machine's. */
  received(message: Down, nowMs: number): SessionEffect[] {
    switch (message.type) {
      case 'welcome': {
        if (this.#state.name !== 'greeting') return [];
        this.#move({ name: 'online', sinceMs: nowMs, liveness: this.#state.liveness });
        return [{ do: 'joined', welcome: message }];
      }
      case 'goodbye':
        this.#goodbye = message;
        return [];
      case 'error':
        if (this.#state.name === 'greeting') this.#complaint = message.error;
        return [];
      default:
        return [];
    }
  }

  /** The connection closed, or never opened. `detail` is what the socket says of it. */
  closed(code: number, detail: string, nowMs: number, random: number): SessionEffect[] {
    const { name } = this.#state;
    if (name === 'ended' || name === 'waiting' || name === 'new') return [];
    if (name === 'leaving') return this.#end({ cause: 'left' });
    const close = this.#goodbye?.reason ?? closeName(code);
    const told = this.#complaint?.message ?? this.#goodbye?.message;
    if (close !== undefined && isFinal(close)) {
      return this.#end({ cause: 'refused', close, message: told ?? CLOSE[close].meaning });
    }
    const why =
      told ?? (close === undefined ? detail : `${CLOSE[close].meaning}${detail === '' ? '' : ` (${detail})`}`);
    return this.#lose(close, why, nowMs, random);
  }

  /** Looks at the connection; to be called about once a second. `lagMs`: by how much this call is late. */
  tick(nowMs: number, lagMs: number, random: number): SessionEffect[] {
    const state = this.#state;
    if (state.name === 'leaving') {
      if (nowMs - state.sinceMs < LEAVE_MS) return [];
      return [{ do: 'abandon', code: CLOSE.normal.code, reason: 'done' }, ...this.#end({ cause: 'left' })];
    }
    if (state.name !== 'online' && state.name !== 'greeting') return [];
    const verdict = judgeLiveness(state.liveness, nowMs, lagMs);
    const unanswered = state.name === 'greeting' && nowMs - state.sinceMs >= WELCOME_MS;
    if (verdict === 'dead' || unanswered) {
      const why = unanswered ? `no welcome within ${WELCOME_MS / 1_000} s` : 'the coordinator fell silent';
      const { code } = CLOSE.silent;
      return [{ do: 'abandon', code, reason: 'silent' }, ...this.#lose('silent', why, nowMs, random)];
    }
    return verdict === 'heartbeat' ? [{ do: 'heartbeat' }] : [];
  }

  /** Leaves for good. */
  leave(nowMs: number): SessionEffect[] {
    const { name } = this.#state;
    if (name === 'ended' || name === 'leaving') return [];
    if (name === 'online' || name === 'greeting') {
      this.#move({ name: 'leaving', sinceMs: nowMs });
      return [{ do: 'close', code: CLOSE.normal.code, reason: 'done' }];
    }
    return [{ do: 'abandon', code: CLOSE.normal.code, reason: 'done' }, ...this.#end({ cause: 'left' })];
  }

  #lose(close: CloseName | undefined, why: string, nowMs: number, random: number): SessionEffect[] {
    const was = this.#state;
    const wasOnline = was.name === 'online';
    if (was.name === 'online') {
      this.#offlineSinceMs = nowMs;
      if (nowMs - was.sinceMs >= SETTLED_MS) this.#failures = 0;
    }
    const afterMs = this.#delayMs(close, nowMs, random);
    this.#failures += 1;
    this.#move({ name: 'waiting' });
    return [
      { do: 'lost', wasOnline, why, afterMs, ...(close === undefined ? {} : { close }) },
      { do: 'dial', afterMs },
    ];
  }

  #delayMs(close: CloseName | undefined, nowMs: number, random: number): number {
    const told = this.#goodbye?.reconnectAfterMs;
    if (told !== undefined) return Math.floor(told + random * Math.max(1_000, told));
    if (close !== undefined && SLOW.includes(close)) return Math.floor(SLOW_MS + random * 1_000);
    return reconnectDelayMs(this.#failures, nowMs - this.#offlineSinceMs, random);
  }

  #end(end: SessionEnd): SessionEffect[] {
    this.#move({ name: 'ended' });
    return [{ do: 'end', end }];
  }

  #move(to: State): void {
    const from = this.#state.name;
    if (!MOVES[from].includes(to.name)) throw new Error(`a session cannot go from ${from} to ${to.name}`);
    this.#state = to;
  }
}

function isFinal(close: CloseName): close is 'unauthenticated' | 'revoked' | 'unsupported_version' {
  return FINAL.includes(close);
}
