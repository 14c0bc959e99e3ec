/** The state of one connection: phase, encoding, liveness, and the limits on what it sends. */
import { encodeDown } from '@rma/protocol/codec';
import type { Down, Role } from '@rma/protocol/down';
import { CLOSE, type CloseName, type WireError } from '@rma/protocol/error';
import { type Liveness, livenessAt } from '@rma/protocol/liveness';
import { encodeStreamData } from '@rma/protocol/stream';
import type { Subprotocol } from '@rma/protocol/version';
import type { Viewer } from '../query/visible.js';
import type { Socket } from './transport.js';

/** greeting: no hello yet. waiting: the core decides. open: `welcome` was sent. */
export type Phase = 'greeting' | 'waiting' | 'open' | 'closing';

const VIOLATION_WINDOW_MS = 10_000;
const MAX_VIOLATIONS = 10;

export class Connection {
  phase: Phase = 'greeting';
  role: Role | null = null;
  subject = '';
  readonly liveness: Liveness;
  /** A token bucket of messages. */
  #tokens: number;
  #refilledAtMs: number;
  #violations = 0;
  #violationsSinceMs = 0;

  constructor(
    readonly socket: Socket,
    readonly subprotocol: Subprotocol,
    readonly openedAtMs: number,
    burst: number,
  ) {
    this.liveness = livenessAt(openedAtMs);
    this.#tokens = burst;
    this.#refilledAtMs = openedAtMs;
  }

  get id(): number {
    return this.socket.id;
  }

  /** Whom its queries and events are filtered for. */
  get viewer(): Viewer {
    return { role: this.role ?? '', subject: this.subject };
  }

  get bufferedBytes(): number {
    return this.socket.bufferedBytes;
  }

  /** A message that was encoded for many. */
  sendFrame(frame: string | Uint8Array): void {
    if (this.phase === 'open') this.socket.send(frame);
  }

  send(message: Down, nowMs: number): void {
    this.liveness.sentAtMs = nowMs;
    this.socket.send(encodeDown(message, this.subprotocol));
  }

  /** A data frame of a stream; `buffered` means: wait for the drain. */
  sendData(stream: number, bytes: Uint8Array, nowMs: number): 'sent' | 'buffered' | 'dropped' {
    this.liveness.sentAtMs = nowMs;
    return this.socket.send(encodeStreamData(stream, bytes));
  }

  sendError(error: WireError, nowMs: number, about?: string, ref?: number): void {
    this.send(
      { type: 'error', error, ...(about === undefined ? {} : { about }), ...(ref === undefined ? {} : { ref }) },
      nowMs,
    );
  }

  /** Sends `goodbye` with the reason, then closes. */
  goodbye(reason: CloseName, message: string, nowMs: number, reconnectAfterMs?: number): void {
    if (this.phase === 'closing') return;
    this.phase = 'closing';
    this.send(
      { type: 'goodbye', reason, message, ...(reconnectAfterMs === undefined ? {} : { reconnectAfterMs }) },
      nowMs,
    );
    this.socket.close(CLOSE[reason].code, reason);
  }

  /** Counts an invalid or forbidden message; true at MAX_VIOLATIONS within the window. */
  violate(nowMs: number): boolean {
    if (nowMs - this.#violationsSinceMs > VIOLATION_WINDOW_MS) {
      this.#violationsSinceMs = nowMs;
      this.#violations = 0;
    }
    return ++this.#violations >= MAX_VIOLATIONS;
  }

  /** Takes one message from the token bucket; false when it is empty. */
  allow(nowMs: number, perSecond: number, burst: number): boolean {
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#refilledAtMs) / 1_000) * perSecond);
    this.#refilledAtMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
