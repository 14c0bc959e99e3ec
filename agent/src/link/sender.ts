/**
 * What leaves in a turn: control messages, then what the attempts have to tell, in one write and on disk first where it
 * must be; bulk data after it, never more than what keeps control messages prompt.
 */

import { encodeChunks, encodeFrame, encodeResults } from '@rma/peer/message-batch';
import type { TokenBucket } from '@rma/peer/token-bucket';
import type { Up } from '@rma/protocol/up';
import type { Outbox } from '../outbox/outbox.js';
import type { Attempt } from './attempt.js';
import type { Attempts } from './attempts.js';
import type { BlobTransfers } from './blob-transfers.js';
import type { Executions } from './executions.js';
import type { Services } from './services.js';
import type { SessionStateName } from './session.js';
import type { Connection } from './socket.js';

/** Bulk data waits while so much is buffered, so that control messages need not. */
const BULK_BUFFER_BYTES = 65_536;
/** How often bulk data goes on while its rate is limited. */
const PACE_MS = 50;

export interface SenderOptions {
  readonly attempts: Attempts;
  readonly executions: Executions;
  readonly transfers: BlobTransfers;
  readonly services: Services;
  readonly outbox: Outbox;
  /** The rate of bulk data that leaves. */
  readonly up: TokenBucket;
  /** The connection now, if there is one. */
  connection(): Connection | undefined;
  state(): SessionStateName;
  /** Something was handed to the connection. */
  sent(nowMs: number): void;
  /** The turn; what it throws is the link's to handle. */
  turn(): void;
}

export class Sender {
  readonly #options: SenderOptions;
  #control: Uint8Array[] = [];
  #servicesChanged = false;
  #turnDue = false;
  #bulkWritten = true;
  #paceTimer: NodeJS.Timeout | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** A control message of the next turn. */
  send(message: Up): void {
    this.#control.push(encodeFrame(message));
    this.schedule();
  }

  /** The list of services may be another now. */
  servicesChanged(): void {
    this.#servicesChanged = true;
  }

  /** `hello` carries the services: nothing is to be announced beyond it. */
  greeted(): void {
    this.#servicesChanged = false;
  }

  /** The session ended. */
  offline(): void {
    this.#control = [];
    this.#bulkWritten = true;
    clearTimeout(this.#paceTimer);
    this.#paceTimer = undefined;
  }

  /** Does what the machines ask for; what they want to send goes with the turn. */
  work(): void {
    for (const message of this.#options.executions.work()) this.#control.push(encodeFrame(message));
    this.schedule();
  }

  schedule(): void {
    if (this.#turnDue) return;
    this.#turnDue = true;
    setImmediate(() => this.#options.turn());
  }

  /** Everything of one turn: to the outbox first, then out in one write. */
  turn(): void {
    const { attempts, executions, outbox, transfers, up } = this.#options;
    this.#turnDue = false;
    if (up.limited) transfers.pace(performance.now());
    for (const message of executions.work()) this.#control.push(encodeFrame(message));
    const out = attempts.takeOutgoing();
    const fresh = encodeResults(out.fresh.map(resultOf));
    if (out.fresh.length > 0 || out.held.length > 0) {
      const chunks = [...out.fresh, ...out.held].flatMap((attempt) => attempt.chunks);
      const held = encodeResults(out.held.map(resultOf));
      outbox.record([...encodeChunks(chunks), ...fresh, ...held], performance.now());
    }
    const state = this.#options.state();
    const connection = this.#options.connection();
    if (connection === undefined || (state !== 'online' && state !== 'greeting')) return;
    const frames = this.#control;
    this.#control = [];
    if (state === 'online') {
      if (this.#servicesChanged) frames.push(...this.#announcement());
      frames.push(...encodeChunks(out.chunks));
      for (const progress of out.progress) frames.push(encodeFrame({ type: 'progress', ...progress }));
      frames.push(...fresh, ...encodeResults(out.again.map(resultOf)));
    }
    const bulk = state === 'online' ? this.#bulk(connection) : [];
    if (frames.length > 0 || bulk.length > 0) this.#write(connection, frames, bulk);
  }

  #announcement(): Uint8Array[] {
    this.#servicesChanged = false;
    const services = this.#options.services.unannounced();
    return services === undefined ? [] : [encodeFrame({ type: 'services', services })];
  }

  #bulk(connection: Connection): Uint8Array[] {
    const { executions, transfers, up } = this.#options;
    if (transfers.size === 0) return [];
    if (up.limited) this.#pace();
    if (!this.#bulkWritten) return [];
    const now = performance.now();
    const frames = transfers.takeData(Math.min(BULK_BUFFER_BYTES - connection.bufferedBytes, up.available(now)), now);
    for (const { length } of frames) up.take(length, now);
    // An upload that could not be read says so now.
    for (const message of executions.work()) frames.push(encodeFrame(message));
    frames.push(...transfers.takeEnds().map(encodeFrame));
    return frames;
  }

  /** Until all transfers are done, the limit lets a little pass at a time, each way. */
  #pace(): void {
    this.#paceTimer ??= setTimeout(() => {
      this.#paceTimer = undefined;
      this.#options.turn();
    }, PACE_MS);
  }

  #write(connection: Connection, frames: readonly Uint8Array[], bulk: readonly Uint8Array[]): void {
    connection.cork(() => {
      for (const frame of frames) connection.send(frame);
      for (const frame of bulk.slice(0, -1)) connection.send(frame);
      const last = bulk.at(-1);
      if (last === undefined) return;
      this.#bulkWritten = false;
      connection.send(last, () => {
        if (connection !== this.#options.connection()) return;
        this.#bulkWritten = true;
        this.schedule();
      });
    });
    this.#options.sent(performance.now());
  }
}

function resultOf(attempt: Attempt) {
  if (attempt.state.name !== 'finished') throw new Error(`attempt ${attempt.key} has no result`);
  return attempt.state.result;
}
