/**
 * The shell around the pure machines of this package: socket, clock, timers, codec. It dials and closes as the session
 * says, hands what comes to its host, and flushes once per tick of the event loop all that is to be sent in one write:
 * control first, then batches (submits, results), then bulk data as the uplink takes it.
 */
import { decodeDown, encodeUp } from '@rma/protocol/codec';
import { frameBytes } from '@rma/protocol/credit';
import type { Down, Welcome } from '@rma/protocol/down';
import { errorMessage, ProtocolError } from '@rma/protocol/error';
import { LIVENESS_TICK_MS } from '@rma/protocol/liveness';
import { decodeStreamData, isStreamData } from '@rma/protocol/stream';
import type { Hello, Up } from '@rma/protocol/up';
import { FEATURES, PROTOCOL_VERSION, type Subprotocol } from '@rma/protocol/version';
import { checkDown } from '#check';
import { defer, dial } from '#socket';
import type { BlobTransfers } from './blob-transfers.js';
import { InputCredit } from './input-credit.js';
import { Session, type SessionEffect, type SessionEnd, type SessionLost, type SessionOptions } from './session.js';
import { sha256Hex } from './sha256.js';
import type { Frame, Socket } from './socket.js';

/** What this runs on, for `hello`. */
export { platform } from '#socket';

/** Batches wait while more than this has not left the process. */
const MAX_BATCH_BUFFER_BYTES = 1_048_576;
/** Bulk data waits while more than this has not left, so that control and batches overtake it on a slow uplink. */
const MAX_BULK_BUFFER_BYTES = 65_536;
/** The other side may begin with so much while this side makes more: two sides that take turns both idle. */
const EARLY_BACKLOG = 16;
/** A coordinator that does not answer the closing handshake is not waited for longer. */
const CLOSE_TIMEOUT_MS = 1_000;

/** A message, or one that is encoded already. */
export type Outbound = Up | Uint8Array;

/** The program behind the connection: asked for what there is to send, handed what comes. */
export interface ConnectionHost {
  /** What `hello` says beside version, features and program. */
  hello(): Pick<Hello, 'token' | 'worker'>;
  /** The session began. */
  begun(welcome: Welcome): void;
  /** A message that concerns neither the session nor a blob. @throws ProtocolError where it makes no sense: a bad frame */
  received(message: Down, frame: Frame, nowMs: number, random: number): void;
  /** There is no session any more, and another may follow: what was sent and not answered is sent again then. */
  offline(): void;
  /** A session or a dial came to nothing; reported after `offline`. */
  lost(lost: SessionLost): void;
  /** No session will follow. */
  ended(end: SessionEnd): void;
  /** A defect of this side. Without this method it counts as a bad frame, or is thrown. */
  failed?(error: unknown): void;
  /** About once a second, and at `dueAtMs`. */
  tick(nowMs: number): void;
  /** When `tick` has something to do before its regular call; undefined: nothing. */
  dueAtMs?(): number | undefined;
  /** The first thing in every flush, online or not. */
  prepare?(nowMs: number): void;
  takeControl(): readonly Outbound[];
  /** Items that wait for `takeBatch`: the first {@link EARLY_BACKLOG} of a tick leave before the tick is over. */
  readonly backlog?: number;
  /** The next credited batch (submits, results, chunks); only asked for while there is credit. */
  takeBatch(): Outbound | undefined;
}

export interface ConnectionOptions extends SessionOptions {
  /** The endpoint's ws(s) URL. */
  readonly url: string;
  readonly subprotocol: Subprotocol;
  /** The program's name and version, for debugging. */
  readonly agent: Hello['agent'];
}

export class Connection {
  readonly session: Session;
  readonly #options: ConnectionOptions;
  readonly #host: ConnectionHost;
  /** Absent until there is a blob to transfer: its code is a fifth of the SDK's. */
  #blobs: BlobTransfers | undefined;
  #socket: Socket | undefined;
  #control: Outbound[] = [];
  readonly #credit = new InputCredit();
  #ticker: ReturnType<typeof setInterval> | undefined;
  #tickedAtMs = 0;
  /** Fires for what is due before the next regular tick. */
  #alarm: ReturnType<typeof setTimeout> | undefined;
  #alarmAtMs: number | undefined;
  #isFlushDue = false;
  /** Twice as many each time in one tick, so that frames grow with the load. */
  #early = EARLY_BACKLOG;
  #isSuspended = false;
  /** Sockets in the closing handshake, each with what to call at its end. */
  readonly #closing = new Map<Socket, (() => void)[]>();

  constructor(options: ConnectionOptions, host: ConnectionHost) {
    this.#options = options;
    this.#host = host;
    this.session = new Session(options);
  }

  get isOnline(): boolean {
    return this.session.state.name === 'online';
  }

  /** Serves these transfers from now on. */
  attachBlobs(blobs: BlobTransfers): void {
    this.#blobs = blobs;
    if (this.isOnline) blobs.online();
  }

  /** Starts the ticks. @param isSuspended not to dial before `resume` */
  start(isSuspended = false): void {
    this.#tickedAtMs = performance.now();
    this.#ticker = setInterval(() => this.#guard(() => this.#tick()), LIVENESS_TICK_MS);
    this.#isSuspended = isSuspended;
    if (!isSuspended) this.session.start(this.#tickedAtMs);
    this.#arm();
  }

  /** Sends what there is to send and closes the session; `resume` begins another. */
  suspend(): void {
    this.#isSuspended = true;
    this.#flush();
    this.#perform(this.session.suspend());
    this.#offline();
  }

  /** Dials again, once the connection before is closed: the coordinator would replace it otherwise. */
  resume(): void {
    this.#isSuspended = false;
    void this.#allClosed().then(() => {
      if (this.#isSuspended) return;
      this.session.start(performance.now());
      this.#arm();
    });
  }

  /** Sends what there is to send and ends the session. Resolves when the socket is gone. */
  leave(): Promise<void> {
    this.#flush();
    this.#perform(this.session.leave());
    return this.#allClosed();
  }

  /** Ends the session at once, without a flush. Resolves when the socket is gone. */
  close(): Promise<void> {
    this.#perform(this.session.leave());
    return this.#allClosed();
  }

  /** A control message of the next flush; dropped unless there is a session. */
  send(message: Up): void {
    if (!this.isOnline) return;
    this.#control.push(message);
    this.flushSoon();
  }

  /** There is something to send: at the end of this tick; of many items, the first while the rest is still being made. */
  flushSoon(): void {
    if ((this.#host.backlog ?? 0) >= this.#early && this.isOnline) {
      this.#early *= 2;
      this.#flush();
    }
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    defer(() => {
      this.#isFlushDue = false;
      this.#early = EARLY_BACKLOG;
      this.#guard(() => this.#flush());
    });
  }

  /** What came makes no sense. */
  badFrame(error: Error): void {
    this.#perform(this.session.badFrame(error, performance.now(), Math.random()));
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!this.#host.failed) throw error;
      this.#host.failed(error);
    }
  }

  #tick(): void {
    const nowMs = performance.now();
    const lagMs = Math.max(0, nowMs - this.#tickedAtMs - LIVENESS_TICK_MS);
    this.#tickedAtMs = nowMs;
    this.#advance(nowMs, lagMs);
  }

  #advance(nowMs: number, lagMs: number): void {
    this.#perform(this.session.tick(nowMs, lagMs, Math.random()));
    this.#blobs?.tick(nowMs, Math.random());
    this.#blobs?.deliver();
    this.#host.tick(nowMs);
    this.#flush();
  }

  #arm(): void {
    if (this.#ticker === undefined) return;
    const due = Math.min(
      this.session.dueAtMs() ?? Number.POSITIVE_INFINITY,
      (this.isOnline ? this.#blobs?.dueAtMs() : undefined) ?? Number.POSITIVE_INFINITY,
      (this.isOnline ? this.#host.dueAtMs?.() : undefined) ?? Number.POSITIVE_INFINITY,
    );
    if (due === this.#alarmAtMs) return;
    clearTimeout(this.#alarm);
    this.#alarmAtMs = due;
    if (due === Number.POSITIVE_INFINITY) return;
    this.#alarm = setTimeout(
      () => {
        this.#alarmAtMs = undefined;
        this.#guard(() => this.#advance(performance.now(), 0));
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
          this.#write([encodeUp(this.#hello(), this.#options.subprotocol)]);
          break;
        case 'heartbeat':
          this.#write([encodeUp({ type: 'heartbeat' }, this.#options.subprotocol)]);
          break;
        case 'begin':
          this.#credit.begun(effect.welcome);
          this.#blobs?.online();
          this.#host.begun(effect.welcome);
          this.flushSoon();
          break;
        case 'drop':
          if (this.#socket) this.#drop(this.#socket, effect.code, effect.reason);
          this.#socket = undefined;
          break;
        case 'lost':
          this.#offline();
          this.#host.lost(effect.lost);
          this.#arm();
          break;
        case 'end':
          clearInterval(this.#ticker);
          clearTimeout(this.#alarm);
          this.#ticker = undefined;
          this.#socket = undefined;
          this.#blobs?.offline();
          this.#host.ended(effect.end);
          break;
      }
    }
  }

  #offline(): void {
    this.#socket = undefined;
    this.#control = [];
    this.#credit.offline();
    this.#blobs?.offline();
    this.#host.offline();
  }

  #dial(): void {
    const closed = (code: number, detail: string) =>
      this.#perform(this.session.closed(code, detail, performance.now(), Math.random()));
    try {
      const ifCurrent = (work: () => void) => {
        if (this.#socket === socket) this.#guard(work);
      };
      const socket = dial(this.#options.url, [this.#options.subprotocol], {
        opened: () => ifCurrent(() => this.#perform(this.session.opened(performance.now()))),
        frame: (frame) => ifCurrent(() => this.#received(frame)),
        drained: () => ifCurrent(() => this.#flush()),
        closed: (code, detail) => {
          this.#closed(socket);
          ifCurrent(() => closed(code, detail));
        },
      });
      this.#socket = socket;
    } catch (error) {
      closed(1006, errorMessage(error));
    }
  }

  #drop(socket: Socket, code: number, reason: string): void {
    const timer = setTimeout(() => {
      socket.discard();
      this.#closed(socket);
    }, CLOSE_TIMEOUT_MS);
    this.#closing.set(socket, [() => clearTimeout(timer)]);
    // A close reason may have 123 bytes.
    socket.close(code, reason.replace(/[^ -~]/g, '?').slice(0, 120));
  }

  async #allClosed(): Promise<void> {
    await Promise.all([...this.#closing.values()].map((waiting) => new Promise<void>((done) => waiting.push(done))));
  }

  #closed(socket: Socket): void {
    const waiting = this.#closing.get(socket) ?? [];
    this.#closing.delete(socket);
    for (const done of waiting) done();
  }

  #hello(): Hello {
    const { agent } = this.#options;
    return { type: 'hello', protocol: PROTOCOL_VERSION, ...this.#host.hello(), agent, features: [...FEATURES] };
  }

  #received(frame: Frame): void {
    const nowMs = performance.now();
    this.session.heard(nowMs);
    try {
      if (typeof frame !== 'string' && isStreamData(frame)) {
        const { stream, bytes } = decodeStreamData(frame);
        this.#blobs?.data(stream, bytes, nowMs);
      } else this.#dispatch(checkDown(decodeDown(frame)), frame, nowMs);
    } catch (error) {
      // A newer coordinator may send messages that this version does not know (PROTOCOL.md, versions).
      if (error instanceof ProtocolError && error.kind === 'unknown_message') return;
      if (this.#host.failed && !(error instanceof ProtocolError)) throw error;
      this.badFrame(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (this.#blobs) this.#checkHashes(this.#blobs);
    this.flushSoon();
  }

  #dispatch(message: Down, frame: Frame, nowMs: number): void {
    const effects = this.session.received(message, nowMs);
    if (effects) this.#perform(effects);
    else if (message.type === 'credit') this.#credit.granted(message);
    else if (!this.#blobs?.received(message, nowMs, Math.random()))
      this.#host.received(message, frame, nowMs, Math.random());
  }

  #checkHashes(blobs: BlobTransfers): void {
    for (const download of blobs.takeUnchecked()) {
      const checked = (report: () => void) =>
        this.#guard(() => {
          report();
          blobs.deliver();
          this.flushSoon();
        });
      sha256Hex(download.bytes).then(
        (hash) => checked(() => blobs.checked(download, hash, performance.now(), Math.random())),
        (error: Error) => checked(() => blobs.uncheckable(download, error.message)),
      );
    }
    blobs.deliver();
  }

  #flush(): void {
    const nowMs = performance.now();
    this.#host.prepare?.(nowMs);
    const socket = this.#socket;
    if (socket && this.isOnline) {
      const frames = this.#collect(socket.bufferedBytes(), nowMs);
      if (frames.length > 0) this.#write(frames);
      this.#blobs?.deliver();
    }
    this.#arm();
  }

  #collect(bufferedBytes: number, nowMs: number): Frame[] {
    const frames: Frame[] = [];
    let buffered = bufferedBytes;
    const add = (message: Outbound, isCredited = false) => {
      const frame = message instanceof Uint8Array ? message : encodeUp(message, this.#options.subprotocol);
      frames.push(frame);
      buffered += frame.length;
      if (isCredited) this.#credit.sent(frameBytes(frame));
    };
    const control = [...this.#control.splice(0), ...this.#host.takeControl()];
    for (const [message, isCredited] of this.#credit.pass(control)) add(message, isCredited);
    for (const message of this.#blobs?.takeControl(nowMs, Math.random()) ?? []) add(message);
    while (buffered < MAX_BATCH_BUFFER_BYTES && this.#credit.isOpen) {
      const batch = this.#host.takeBatch();
      if (!batch) break;
      add(batch, true);
    }
    while (buffered < MAX_BULK_BUFFER_BYTES) {
      const data = this.#blobs?.takeData(nowMs);
      if (!data) break;
      add(data);
    }
    return frames;
  }

  #write(frames: readonly Frame[]): void {
    this.#socket?.send(frames);
    this.session.sent(performance.now());
  }
}
