/**
 * The shell around the session: socket, clock, timers, codec. It sends what the subjects have to say, all of one turn in
 * one write: control first, then submits, then bulk data as the uplink takes it.
 */
import { decodeDown, encodeUp } from '@rma/protocol/codec';
import type { Down, Welcome } from '@rma/protocol/down';
import { CLOSE, ProtocolError } from '@rma/protocol/error';
import { LIVENESS_TICK_MS } from '@rma/protocol/liveness';
import { decodeStreamData, isStreamData } from '@rma/protocol/stream';
import type { Up } from '@rma/protocol/up';
import { FEATURES, PROTOCOL_VERSION, type Subprotocol } from '@rma/protocol/version';
import { checkDown } from '#check';
import { defer, dial, platform } from '#socket';
import { Session, type SessionEffect } from './session.js';
import type { Frame, Socket } from './socket.js';
import { CLIENT_NAME, CLIENT_VERSION } from './version.js';

/** Submits wait while more than this has not left. */
const MAX_SUBMIT_BUFFER_BYTES = 1_048_576;
/** Bulk data waits while more than this has not left, so that a submit overtakes an upload on a slow uplink. */
const MAX_BULK_BUFFER_BYTES = 65_536;
/** A coordinator that does not answer the closing handshake is not waited for longer. */
const CLOSE_TIMEOUT_MS = 1_000;

/** What the connection serves: it asks these for what there is to send, and tells them what came. */
export interface ConnectionSubject {
  begun(welcome: Welcome): void;
  received(message: Down, nowMs: number, random: number): void;
  data(stream: number, bytes: Uint8Array): void;
  lost(reason: string, dialInMs: number): void;
  ended(error: Error): void;
  tick(nowMs: number): void;
  dueAtMs(): number | undefined;
  takeControl(): Up[];
  /** How many tasks are to be submitted. */
  readonly submits: number;
  takeSubmit(): Up | undefined;
  takeData(): Uint8Array | Up | undefined;
}

export interface ConnectionOptions {
  /** The endpoint's ws(s) URL. */
  readonly url: string;
  readonly token: string | undefined;
  readonly subprotocol: Subprotocol;
  readonly offlineTimeoutMs: number | undefined;
  /** The token is a join token. */
  readonly joining: boolean;
}

/** The coordinator may begin with so many tasks while this side makes more: two sides that take turns both idle. */
const EARLY_SUBMITS = 16;

export class Connection {
  readonly session: Session;
  readonly #options: ConnectionOptions;
  readonly #subject: ConnectionSubject;
  #socket: Socket | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #wake: ReturnType<typeof setTimeout> | undefined;
  #tickedAtMs = performance.now();
  #flushing = false;
  /** So many submits do not wait for the end of the turn; twice as many the next time, so that frames grow with the load. */
  #early = EARLY_SUBMITS;
  /** When the timer is due. */
  #armedForMs: number | undefined;
  /** Sockets that say goodbye, each with who waits for that. */
  readonly #partings = new Map<Socket, (() => void)[]>();

  constructor(options: ConnectionOptions, subject: ConnectionSubject) {
    this.#options = options;
    this.#subject = subject;
    this.session = new Session(options.url, performance.now(), options.offlineTimeoutMs, options.joining);
    this.#ticker = setInterval(() => this.#tick(), LIVENESS_TICK_MS);
    this.#arm();
  }

  /** Something is to be sent: once this turn is over; of many submits, the first while the rest is still being made. */
  flushSoon(): void {
    if (this.session.state.name !== 'ready') return;
    if (this.#subject.submits >= this.#early) {
      this.#early *= 2;
      this.#flush();
    }
    if (this.#flushing) return;
    this.#flushing = true;
    defer(() => {
      this.#flushing = false;
      this.#early = EARLY_SUBMITS;
      this.#flush();
    });
  }

  /** Sends what there is to send, then closes. Resolves when the socket is gone. */
  close(): Promise<void> {
    this.#flush();
    const socket = this.#socket;
    this.#perform(this.session.stop());
    const parting = socket && this.#partings.get(socket);
    return parting ? new Promise((resolve) => parting.push(resolve)) : Promise.resolve();
  }

  #tick(): void {
    const nowMs = performance.now();
    const lagMs = Math.max(0, nowMs - this.#tickedAtMs - LIVENESS_TICK_MS);
    this.#tickedAtMs = nowMs;
    this.#perform(this.session.tick(nowMs, lagMs, Math.random()));
    this.#wakeSubject(nowMs);
  }

  #wakeSubject(nowMs: number): void {
    this.#subject.tick(nowMs);
    this.#flush();
    this.#arm();
  }

  /** Arms the timer for what is due before the next regular look. */
  #arm(): void {
    const dues = [this.session.dueAtMs(), this.session.state.name === 'ready' ? this.#subject.dueAtMs() : undefined];
    const due = Math.min(...dues.map((at) => at ?? Number.POSITIVE_INFINITY));
    if (due === this.#armedForMs) return;
    clearTimeout(this.#wake);
    this.#armedForMs = due;
    if (due === Number.POSITIVE_INFINITY) return;
    this.#wake = setTimeout(
      () => {
        this.#armedForMs = undefined;
        const nowMs = performance.now();
        this.#perform(this.session.tick(nowMs, 0, Math.random()));
        this.#wakeSubject(nowMs);
      },
      Math.max(0, Math.ceil(due - performance.now())),
    );
  }

  #perform(effects: readonly SessionEffect[]): void {
    for (const effect of effects) {
      switch (effect.do) {
        case 'dial':
          this.#dial();
          break;
        case 'hello':
          this.#send([this.#hello()]);
          break;
        case 'heartbeat':
          this.#send([{ type: 'heartbeat' }]);
          break;
        case 'begin':
          this.#subject.begun(effect.welcome);
          this.flushSoon();
          break;
        case 'drop':
          if (this.#socket) this.#part(this.#socket, effect.code, effect.reason);
          this.#socket = undefined;
          break;
        case 'lost':
          this.#socket = undefined;
          this.#subject.lost(effect.reason, effect.dialInMs);
          this.#arm();
          break;
        case 'end':
          clearInterval(this.#ticker);
          clearTimeout(this.#wake);
          this.#subject.ended(effect.error);
          break;
      }
    }
  }

  #dial(): void {
    const closed = (code: number, reason: string) =>
      this.#perform(this.session.closed(code, reason, performance.now(), Math.random()));
    try {
      const isCurrent = () => this.#socket === socket;
      const socket = dial(this.#options.url, [this.#options.subprotocol], {
        opened: () => isCurrent() && this.#perform(this.session.opened(performance.now())),
        frame: (frame) => isCurrent() && this.#frame(frame),
        drained: () => isCurrent() && this.#flush(),
        closed: (code, reason) => {
          this.#parted(socket);
          if (isCurrent()) closed(code, reason);
        },
      });
      this.#socket = socket;
    } catch (error) {
      closed(1006, error instanceof Error ? error.message : String(error));
    }
  }

  #part(socket: Socket, code: number, reason: string): void {
    if (code === CLOSE.silent.code) {
      socket.discard();
      return;
    }
    const timer = setTimeout(() => {
      socket.discard();
      this.#parted(socket);
    }, CLOSE_TIMEOUT_MS);
    this.#partings.set(socket, [() => clearTimeout(timer)]);
    // A close reason may have 123 bytes.
    socket.close(code, reason.replace(/[^ -~]/g, '?').slice(0, 120));
  }

  #parted(socket: Socket): void {
    const waiting = this.#partings.get(socket) ?? [];
    this.#partings.delete(socket);
    for (const done of waiting) done();
  }

  #hello(): Up {
    const { token } = this.#options;
    return {
      type: 'hello',
      protocol: PROTOCOL_VERSION,
      ...(token === undefined ? {} : { token }),
      agent: { name: CLIENT_NAME, version: `${CLIENT_VERSION} (${platform})` },
      features: [...FEATURES],
    };
  }

  #frame(frame: Frame): void {
    const nowMs = performance.now();
    this.session.heard(nowMs);
    try {
      if (typeof frame !== 'string' && isStreamData(frame)) {
        const { stream, bytes } = decodeStreamData(frame);
        this.#subject.data(stream, bytes);
      } else this.#received(decodeDown(frame), nowMs);
    } catch (error) {
      // What a newer coordinator says beyond this version is none of ours.
      if (error instanceof ProtocolError && error.kind === 'unknown_message') return;
      const fault = error instanceof Error ? error : new Error(String(error));
      this.#perform(this.session.fault(fault, nowMs, Math.random()));
      return;
    }
    this.flushSoon();
  }

  #received(decoded: Down, nowMs: number): void {
    const message = checkDown(decoded);
    if (message.type === 'welcome') this.#perform(this.session.welcomed(message, nowMs));
    else if (message.type === 'goodbye') this.session.goodbye(message);
    else if (message.type === 'error' && this.session.state.name === 'greeting') {
      const { kind, message: text, path, expected } = message.error;
      this.session.said(new ProtocolError(kind, text, path, expected));
    } else if (message.type !== 'heartbeat') this.#subject.received(message, nowMs, Math.random());
  }

  #flush(): void {
    const socket = this.#socket;
    if (!socket || this.session.state.name !== 'ready') return;
    const frames: Frame[] = [];
    let buffered = socket.bufferedBytes();
    const add = (message: Up | Uint8Array) => {
      const frame = message instanceof Uint8Array ? message : encodeUp(message, this.#options.subprotocol);
      frames.push(frame);
      buffered += frame.length;
    };
    for (const message of this.#subject.takeControl()) add(message);
    this.#arm();
    while (buffered < MAX_SUBMIT_BUFFER_BYTES) {
      const submit = this.#subject.takeSubmit();
      if (!submit) break;
      add(submit);
    }
    while (buffered < MAX_BULK_BUFFER_BYTES) {
      const data = this.#subject.takeData();
      if (!data) break;
      add(data);
    }
    if (frames.length === 0) return;
    socket.send(frames);
    this.session.sent(performance.now());
  }

  #send(messages: readonly Up[]): void {
    this.#socket?.send(messages.map((message) => encodeUp(message, this.#options.subprotocol)));
    this.session.sent(performance.now());
  }
}
