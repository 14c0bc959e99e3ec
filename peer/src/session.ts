/**
 * The session of the side that dials, as a pure state machine: when to dial, greet, send a heartbeat, give a connection
 * up, and when to stop for good. It has no clock, socket or random number: they come in, and effects go out.
 */
import { reconnectDelayMs } from '@rma/protocol/backoff';
import type { Down, DownOf, Welcome } from '@rma/protocol/down';
import { CLOSE, type CloseName, closeName, type ErrorKind, ProtocolError } from '@rma/protocol/error';
import { judgeLiveness, type Liveness, livenessAt } from '@rma/protocol/liveness';
import { afterClose, longDelayMs, type PeerRole } from './close-policy.js';

export type SessionState =
  /** Not to dial before `start`. */
  | { readonly name: 'idle' }
  | { readonly name: 'waiting'; readonly dialAtMs: number }
  | { readonly name: 'dialling'; readonly sinceMs: number }
  | { readonly name: 'greeting'; readonly sinceMs: number; readonly liveness: Liveness }
  | { readonly name: 'online'; readonly sinceMs: number; readonly liveness: Liveness; readonly welcome: Welcome }
  | { readonly name: 'ended'; readonly end: SessionEnd };
type StateName = SessionState['name'];

/** Every legal move. What is not here throws. */
const MOVES: Readonly<Record<StateName, readonly StateName[]>> = {
  idle: ['waiting', 'ended'],
  waiting: ['dialling', 'idle', 'ended'],
  dialling: ['greeting', 'waiting', 'idle', 'ended'],
  greeting: ['online', 'waiting', 'idle', 'ended'],
  online: ['waiting', 'idle', 'ended'],
  ended: [],
};

/** Why no further connection will be dialled. */
export type SessionEnd =
  /** This side left. */
  | { readonly cause: 'left' }
  /** No session within `offlineTimeoutMs`. */
  | { readonly cause: 'offline'; readonly offlineMs: number; readonly reason: string }
  /** Dialling again with the same `hello` cannot help. */
  | { readonly cause: 'refused'; readonly close: CloseName; readonly error: ProtocolError };

/** A session, or a dial, came to nothing; another dial follows in `afterMs`. */
export interface SessionLost {
  readonly wasOnline: boolean;
  /** In words, for people. */
  readonly why: string;
  readonly afterMs: number;
  /** The name of the close code, where it was one of the protocol's. */
  readonly close?: CloseName;
}

/** What the shell must do, in order. */
export type SessionEffect =
  | { readonly do: 'dial' }
  | { readonly do: 'hello' }
  | { readonly do: 'heartbeat' }
  | { readonly do: 'begin'; readonly welcome: Welcome }
  /** Close the socket, if there is one, and ignore what it still reports. */
  | { readonly do: 'drop'; readonly code: number; readonly reason: string }
  | { readonly do: 'lost'; readonly lost: SessionLost }
  | { readonly do: 'end'; readonly end: SessionEnd };

export interface SessionOptions {
  readonly role: PeerRole;
  /** After this long without a session it ends; undefined: never. */
  readonly offlineTimeoutMs?: number | undefined;
  /** Why the session that this `welcome` opens is of no use to this side; undefined: it is of use. */
  unfit?(welcome: Welcome): { readonly close: CloseName; readonly message: string } | undefined;
}

/** A handshake that nobody answers is given up after this. */
const DIAL_TIMEOUT_MS = 10_000;
/** The longest wait for `welcome` while the coordinator does show signs of life. */
const WELCOME_TIMEOUT_MS = 20_000;
/** A shorter session counts as a failed dial, so that a crashing coordinator is not dialled in a tight loop. */
const SETTLED_MS = 1_000;
/** A session of this length clears what was counted of bad frames and of closes that are outwaited. */
const PROVEN_MS = 60_000;
/** Bad frames in a row, each in a session of its own: the next session would bring the same again. */
const MAX_BAD_FRAMES = 3;
const NOTHING: readonly SessionEffect[] = [];

/** Which error a close stands for, where the coordinator sent none. */
const CLOSE_KINDS: Partial<Record<CloseName, ErrorKind>> = {
  unauthenticated: 'unauthenticated',
  revoked: 'unauthenticated',
  forbidden: 'forbidden',
  unsupported_version: 'unsupported_version',
  frame_too_large: 'too_large',
  bad_frame: 'invalid',
};

/** Times are monotonic, in ms; `random` is from 0 (inclusive) to 1 (exclusive). */
export class Session {
  offlineTimeoutMs: number | undefined;
  readonly #options: SessionOptions;
  #state: SessionState = { name: 'idle' };
  #offlineSinceMs = 0;
  /** Dials in a row that led to no settled session. */
  #failedDials = 0;
  #badFrames = 0;
  /** Closes in a row with the policy `wait-longer`. */
  #outwaited = 0;
  /** Why there is no session. */
  #why = 'not tried yet';
  #goodbye: DownOf<'goodbye'> | undefined;
  /** The error that the coordinator reported instead of a `welcome`. */
  #refusal: ProtocolError | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.offlineTimeoutMs = options.offlineTimeoutMs;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** When `tick` has something to do at the latest, beside its regular calls; undefined: nothing. */
  dueAtMs(): number | undefined {
    return this.#state.name === 'waiting' ? this.#state.dialAtMs : undefined;
  }

  /** Dials with the next tick. No effect unless idle. */
  start(nowMs: number): void {
    if (this.#state.name !== 'idle') return;
    this.#offlineSinceMs = nowMs;
    this.#failedDials = 0;
    this.#move({ name: 'waiting', dialAtMs: nowMs });
  }

  /** Closes the connection and dials no more until `start`. */
  suspend(): readonly SessionEffect[] {
    if (this.#state.name === 'idle' || this.#state.name === 'ended') return NOTHING;
    this.#move({ name: 'idle' });
    return [{ do: 'drop', code: CLOSE.normal.code, reason: 'done' }];
  }

  /** Closes the connection for good. */
  leave(): readonly SessionEffect[] {
    return this.#state.name === 'ended' ? NOTHING : this.#dropAndEnd({ cause: 'left' });
  }

  /** The connection is open. */
  opened(nowMs: number): readonly SessionEffect[] {
    if (this.#state.name !== 'dialling') return NOTHING;
    this.#move({ name: 'greeting', sinceMs: nowMs, liveness: livenessAt(nowMs) });
    return [{ do: 'hello' }];
  }

  /** A frame of any sort came. */
  heard(nowMs: number): void {
    if (this.#state.name === 'online' || this.#state.name === 'greeting') this.#state.liveness.heardAtMs = nowMs;
  }

  /** A frame of any sort was handed to the socket. */
  sent(nowMs: number): void {
    if (this.#state.name === 'online' || this.#state.name === 'greeting') this.#state.liveness.sentAtMs = nowMs;
  }

  /** A message about the session itself, with its effects; undefined for any other, which is the host's. */
  received(message: Down, nowMs: number): readonly SessionEffect[] | undefined {
    switch (message.type) {
      case 'welcome':
        return this.#welcomed(message, nowMs);
      case 'goodbye':
        this.#goodbye = message;
        return NOTHING;
      case 'heartbeat':
        return NOTHING;
      case 'error':
        if (this.#state.name !== 'greeting') return undefined;
        this.#refusal = ProtocolError.fromWire(message.error);
        return NOTHING;
      default:
        return undefined;
    }
  }

  /** The connection closed, or never opened. `detail` is what the socket knows of the reason. */
  closed(code: number, detail: string, nowMs: number, random: number): readonly SessionEffect[] {
    const { name } = this.#state;
    if (name === 'idle' || name === 'waiting' || name === 'ended') return NOTHING;
    const close = this.#goodbye?.reason ?? closeName(code);
    const reported = this.#refusal?.message ?? (this.#goodbye?.message || undefined);
    const meaning = close === undefined ? '' : CLOSE[close].meaning;
    const known = meaning === '' || detail === '' ? meaning || detail : `${meaning} (${detail})`;
    return this.#over(close, reported ?? (known || `close code ${code}`), nowMs, random);
  }

  /**
   * A frame could not be decoded, or a known message was invalid. The session is dropped at once, because reconciling
   * in the next one repairs what the frame should have brought; the third in a row is a close like any `bad_frame`.
   */
  badFrame(error: Error, nowMs: number, random: number): readonly SessionEffect[] {
    if (this.#state.name !== 'greeting' && this.#state.name !== 'online') return NOTHING;
    if (this.#state.name === 'online' && nowMs - this.#state.sinceMs >= PROVEN_MS) this.#badFrames = 0;
    this.#badFrames += 1;
    const { code } = CLOSE.bad_frame;
    if (this.#badFrames < MAX_BAD_FRAMES)
      return this.#drop(code, error.message, `the coordinator sent a bad frame (${error.message})`, nowMs, random);
    const why = `the coordinator sends what this program does not understand (${error.message}): update this program`;
    this.#refusal = new ProtocolError('unsupported_version', why);
    return [{ do: 'drop', code, reason: error.message }, ...this.#over('bad_frame', why, nowMs, random)];
  }

  /** Time passed. `lagMs`: by how much this call is late, because the own process was busy or suspended. */
  tick(nowMs: number, lagMs: number, random: number): readonly SessionEffect[] {
    const state = this.#state;
    switch (state.name) {
      case 'idle':
      case 'ended':
        return NOTHING;
      case 'waiting':
        if (this.#isOfflineTooLong(nowMs)) return this.#giveUp(nowMs);
        if (nowMs < state.dialAtMs) return NOTHING;
        this.#goodbye = undefined;
        this.#refusal = undefined;
        this.#move({ name: 'dialling', sinceMs: nowMs });
        return [{ do: 'dial' }];
      case 'dialling':
        if (this.#isOfflineTooLong(nowMs)) return this.#giveUp(nowMs);
        if (nowMs - state.sinceMs < DIAL_TIMEOUT_MS) return NOTHING;
        return this.#silent(`no answer within ${DIAL_TIMEOUT_MS / 1_000} s`, nowMs, random);
      case 'greeting':
      case 'online':
        return this.#judge(state, nowMs, lagMs, random);
    }
  }

  #judge(
    state: Extract<SessionState, { name: 'greeting' | 'online' }>,
    nowMs: number,
    lagMs: number,
    random: number,
  ): readonly SessionEffect[] {
    const verdict = judgeLiveness(state.liveness, nowMs, lagMs);
    if (verdict === 'dead') return this.#silent('the coordinator fell silent', nowMs, random);
    if (state.name === 'greeting' && nowMs - state.sinceMs >= WELCOME_TIMEOUT_MS)
      return this.#silent(`no welcome within ${WELCOME_TIMEOUT_MS / 1_000} s`, nowMs, random);
    return verdict === 'heartbeat' ? [{ do: 'heartbeat' }] : NOTHING;
  }

  #welcomed(welcome: Welcome, nowMs: number): readonly SessionEffect[] {
    if (this.#state.name !== 'greeting') return NOTHING;
    const unfit = this.#options.unfit?.(welcome);
    if (unfit) {
      const error = new ProtocolError(CLOSE_KINDS[unfit.close] ?? 'forbidden', unfit.message);
      return this.#dropAndEnd({ cause: 'refused', close: unfit.close, error });
    }
    this.#refusal = undefined;
    this.#move({ name: 'online', sinceMs: nowMs, liveness: this.#state.liveness, welcome });
    return [{ do: 'begin', welcome }];
  }

  #isOfflineTooLong(nowMs: number): boolean {
    return this.offlineTimeoutMs !== undefined && nowMs - this.#offlineSinceMs >= this.offlineTimeoutMs;
  }

  #giveUp(nowMs: number): readonly SessionEffect[] {
    return this.#dropAndEnd({ cause: 'offline', offlineMs: nowMs - this.#offlineSinceMs, reason: this.#why });
  }

  #silent(why: string, nowMs: number, random: number): readonly SessionEffect[] {
    return this.#drop(CLOSE.silent.code, 'silent', why, nowMs, random);
  }

  #drop(code: number, reason: string, why: string, nowMs: number, random: number): readonly SessionEffect[] {
    return [{ do: 'drop', code, reason }, ...this.#lost(undefined, why, nowMs, random)];
  }

  /** The connection is gone: dial again or end, as the close's policy says. */
  #over(close: CloseName | undefined, why: string, nowMs: number, random: number): readonly SessionEffect[] {
    const policy = afterClose(close, this.#options.role, this.#goodbye !== undefined);
    if (policy === 'stop' && close !== undefined) {
      const error = this.#refusal ?? new ProtocolError(CLOSE_KINDS[close] ?? 'unavailable', why);
      return this.#end({ cause: 'refused', close, error });
    }
    return this.#lost(close, why, nowMs, random);
  }

  #lost(close: CloseName | undefined, why: string, nowMs: number, random: number): readonly SessionEffect[] {
    const was = this.#state;
    if (was.name === 'online') {
      this.#offlineSinceMs = nowMs;
      if (nowMs - was.sinceMs >= SETTLED_MS) this.#failedDials = 0;
      if (nowMs - was.sinceMs >= PROVEN_MS) this.#outwaited = 0;
    }
    this.#why = why;
    const wasOnline = was.name === 'online';
    if (!wasOnline && this.#isOfflineTooLong(nowMs)) return this.#giveUp(nowMs);
    const afterMs = this.#delayMs(close, nowMs, random);
    this.#failedDials += 1;
    this.#move({ name: 'waiting', dialAtMs: nowMs + afterMs });
    return [{ do: 'lost', lost: { wasOnline, why, afterMs, ...(close === undefined ? {} : { close }) } }];
  }

  #delayMs(close: CloseName | undefined, nowMs: number, random: number): number {
    const asked = this.#goodbye?.reconnectAfterMs;
    // As `goodbye` asks: that long, and a random time of up to as much again.
    const askedMs = asked === undefined ? 0 : Math.floor(asked + random * Math.max(1_000, asked));
    const policy = afterClose(close, this.#options.role, this.#goodbye !== undefined);
    if (policy === 'wait') return Math.max(askedMs, longDelayMs(0, random));
    if (policy === 'wait-longer') {
      this.#outwaited += 1;
      return Math.max(askedMs, longDelayMs(this.#outwaited - 1, random));
    }
    if (asked !== undefined) return askedMs;
    return reconnectDelayMs(this.#failedDials, nowMs - this.#offlineSinceMs, random);
  }

  #dropAndEnd(end: SessionEnd): readonly SessionEffect[] {
    return [{ do: 'drop', code: CLOSE.normal.code, reason: 'done' }, ...this.#end(end)];
  }

  #end(end: SessionEnd): readonly SessionEffect[] {
    this.#move({ name: 'ended', end });
    return [{ do: 'end', end }];
  }

  #move(to: SessionState): void {
    const from = this.#state.name;
    if (!MOVES[from].includes(to.name)) throw new Error(`a session cannot go from ${from} to ${to.name}`);
    this.#state = to;
  }
}
