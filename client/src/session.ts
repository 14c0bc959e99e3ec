/**
 * The life of the connection, as decisions: when to dial, greet, beat, give a connection up, and when to give up for
 * good. No clock, socket or random number: they come in, and what the world must do goes out.
 */
import { reconnectDelayMs } from '@rma/protocol/backoff';
import type { DownOf, Welcome } from '@rma/protocol/down';
import { CLOSE, type CloseName, closeName, type ErrorKind, ProtocolError } from '@rma/protocol/error';
import { judgeLiveness, type Liveness, livenessAt } from '@rma/protocol/liveness';
import { ClosedError, OfflineError } from './client-error.js';

export type SessionState =
  | { readonly name: 'waiting'; readonly dialAtMs: number }
  | { readonly name: 'dialling'; readonly sinceMs: number }
  | { readonly name: 'greeting'; readonly liveness: Liveness }
  | { readonly name: 'ready'; readonly liveness: Liveness; readonly sinceMs: number; readonly welcome: Welcome }
  | { readonly name: 'closed'; readonly error: Error };

/** What the shell must do, in order. */
export type SessionEffect =
  | { readonly do: 'dial' }
  | { readonly do: 'hello' }
  | { readonly do: 'heartbeat' }
  /** The session began: send what there is to send. */
  | { readonly do: 'begin'; readonly welcome: Welcome }
  /** The session is over; another one will come. */
  | { readonly do: 'lost'; readonly reason: string; readonly dialInMs: number }
  /** Drop the socket, if there is one. */
  | { readonly do: 'drop'; readonly code: number; readonly reason: string }
  /** Nothing more will come: reject what is pending. */
  | { readonly do: 'end'; readonly error: Error };

/** An endless handshake is given up after this. */
const DIAL_TIMEOUT_MS = 10_000;
/** A session that lived shorter does not count as a dial that succeeded, so that a crashing coordinator is not hammered. */
const LASTING_MS = 1_000;
/** Messages in a row that do not fit the protocol: another session would bring them again. */
const MAX_FAULTS = 3;
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

export class Session {
  state: SessionState;
  /** After this long without a session everything is given up; undefined: never. */
  offlineTimeoutMs: number | undefined;
  readonly #url: string;
  readonly #joining: boolean;
  #failedDials = 0;
  #faults = 0;
  #offlineSinceMs: number;
  #reason = 'not tried yet';
  /** What the coordinator said is wrong, before it closed. */
  #said: ProtocolError | undefined;
  #goodbye: DownOf<'goodbye'> | undefined;

  /** @param joining it is a join token's session that is wanted */
  constructor(url: string, nowMs: number, offlineTimeoutMs?: number, joining = false) {
    this.#url = url;
    this.#joining = joining;
    this.#offlineSinceMs = nowMs;
    this.offlineTimeoutMs = offlineTimeoutMs;
    this.state = { name: 'waiting', dialAtMs: nowMs };
  }

  /** When `tick` has something to do at the latest, beside the regular look; undefined: nothing. */
  dueAtMs(): number | undefined {
    return this.state.name === 'waiting' ? this.state.dialAtMs : undefined;
  }

  opened(nowMs: number): readonly SessionEffect[] {
    if (this.state.name !== 'dialling') return NOTHING;
    this.state = { name: 'greeting', liveness: livenessAt(nowMs) };
    return [{ do: 'hello' }];
  }

  /** Any frame came. */
  heard(nowMs: number): void {
    if (this.state.name === 'ready' || this.state.name === 'greeting') this.state.liveness.heardAtMs = nowMs;
  }

  /** Any frame left. */
  sent(nowMs: number): void {
    if (this.state.name === 'ready' || this.state.name === 'greeting') this.state.liveness.sentAtMs = nowMs;
  }

  welcomed(welcome: Welcome, nowMs: number): readonly SessionEffect[] {
    if (this.state.name !== 'greeting') return NOTHING;
    const fits = this.#joining ? welcome.role === 'join' : welcome.role === 'admin' || welcome.role === 'client';
    if (!fits) {
      const wanted = this.#joining ? 'a join token' : 'a client or an admin token';
      return this.#end(
        new ProtocolError('forbidden', `this token is for the role '${welcome.role}': use ${wanted}`),
        CLOSE.normal.code,
      );
    }
    this.#said = undefined;
    this.state = { name: 'ready', liveness: this.state.liveness, sinceMs: nowMs, welcome };
    return [{ do: 'begin', welcome }];
  }

  /** The coordinator reported an error that answers no request. */
  said(error: ProtocolError): void {
    this.#said = error;
  }

  goodbye(message: DownOf<'goodbye'>): void {
    this.#goodbye = message;
  }

  closed(code: number, reason: string, nowMs: number, random: number): readonly SessionEffect[] {
    if (this.state.name === 'closed' || this.state.name === 'waiting') return NOTHING;
    const name = this.#goodbye?.reason ?? closeName(code);
    const why = this.#goodbye?.message || reason || (name ? CLOSE[name].meaning : `close code ${code}`);
    // A bare 1000 may come from a proxy; with a goodbye the coordinator means it.
    if (name && !CLOSE[name].retry && (name !== 'normal' || this.#goodbye)) {
      return this.#end(this.#said ?? new ProtocolError(CLOSE_KINDS[name] ?? 'unavailable', why));
    }
    return this.#lost(this.#said && this.state.name === 'greeting' ? this.#said.message : why, nowMs, random);
  }

  /** A message that does not fit the protocol. */
  fault(error: Error, nowMs: number, random: number): readonly SessionEffect[] {
    if (this.state.name !== 'greeting' && this.state.name !== 'ready') return NOTHING;
    this.#faults += 1;
    if (this.#faults >= MAX_FAULTS) {
      const message = `the coordinator sends what this client does not understand (${error.message}): update @rma/client`;
      return this.#end(new ProtocolError('unsupported_version', message), CLOSE.bad_frame.code);
    }
    return this.#drop(CLOSE.bad_frame.code, error.message, nowMs, random);
  }

  /** Time passed. `lagMs`: by how much the look is late, because the own process was busy or suspended. */
  tick(nowMs: number, lagMs: number, random: number): readonly SessionEffect[] {
    const state = this.state;
    if (state.name === 'closed') return NOTHING;
    if (state.name === 'ready' || state.name === 'greeting') {
      if (state.name === 'ready' && nowMs - state.sinceMs >= LASTING_MS) {
        this.#failedDials = 0;
        if (this.#faults > 0 && nowMs - state.sinceMs >= 60_000) this.#faults = 0;
      }
      const verdict = judgeLiveness(state.liveness, nowMs, lagMs);
      if (verdict === 'dead')
        return this.#drop(CLOSE.silent.code, 'nothing heard from the coordinator for 8 s', nowMs, random);
      return verdict === 'heartbeat' ? [{ do: 'heartbeat' }] : NOTHING;
    }
    if (this.#isTooLong(nowMs)) return this.#giveUp(nowMs);
    if (state.name === 'dialling') {
      if (nowMs - state.sinceMs < DIAL_TIMEOUT_MS) return NOTHING;
      return this.#drop(CLOSE.normal.code, `no answer within ${DIAL_TIMEOUT_MS / 1_000} s`, nowMs, random);
    }
    if (nowMs < state.dialAtMs) return NOTHING;
    this.#goodbye = undefined;
    this.#said = undefined;
    this.state = { name: 'dialling', sinceMs: nowMs };
    return [{ do: 'dial' }];
  }

  /** The user closes the client. */
  stop(): readonly SessionEffect[] {
    return this.state.name === 'closed' ? NOTHING : this.#end(new ClosedError());
  }

  #isTooLong(nowMs: number): boolean {
    return this.offlineTimeoutMs !== undefined && nowMs - this.#offlineSinceMs >= this.offlineTimeoutMs;
  }

  #giveUp(nowMs: number): readonly SessionEffect[] {
    return this.#end(new OfflineError(this.#url, nowMs - this.#offlineSinceMs, this.#reason), CLOSE.normal.code);
  }

  #drop(code: number, reason: string, nowMs: number, random: number): readonly SessionEffect[] {
    return [{ do: 'drop', code, reason }, ...this.#lost(reason, nowMs, random)];
  }

  #lost(reason: string, nowMs: number, random: number): readonly SessionEffect[] {
    const wasReady = this.state.name === 'ready';
    if (this.state.name === 'ready') {
      this.#offlineSinceMs = nowMs;
      if (nowMs - this.state.sinceMs >= LASTING_MS) this.#failedDials = 0;
    }
    this.#reason = reason;
    if (!wasReady && this.#isTooLong(nowMs)) return this.#giveUp(nowMs);
    const pleaMs = this.#goodbye?.reconnectAfterMs ?? 0;
    const dialInMs = pleaMs + reconnectDelayMs(this.#failedDials, nowMs - this.#offlineSinceMs, random);
    this.#failedDials += 1;
    this.state = { name: 'waiting', dialAtMs: nowMs + dialInMs };
    return [{ do: 'lost', reason, dialInMs }];
  }

  #end(error: Error, code: number = CLOSE.normal.code): readonly SessionEffect[] {
    this.state = { name: 'closed', error };
    return [
      { do: 'drop', code, reason: '' },
      { do: 'end', error },
    ];
  }
}
