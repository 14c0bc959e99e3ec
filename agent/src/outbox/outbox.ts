/**
 * The unacknowledged results, with their output chunks, on disk. The file is a log of wire frames: `results` and `chunks` as
 * sent, `acknowledged` as received. When a write fails, the results stay in memory, the failure is logged once, and the
 * write is retried every second.
 */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { encodeChunks, encodeResults } from '@rma/peer/message-batch';
import { checkDown, checkUp } from '@rma/protocol/check';
import { decodeUp } from '@rma/protocol/codec';
import { errorMessage } from '@rma/protocol/error';
import type { AttemptRef, AttemptResult, Chunk } from '@rma/protocol/task';
import { Journal } from './journal.js';

/** Size from which the file is compacted to the unacknowledged results. */
const COMPACT_BYTES = 8 * 1_048_576;
const RETRY_MS = 1_000;

/** The methods of a pino logger that are used. */
export interface OutboxLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The content of the file at the start. */
export interface Restored {
  readonly results: readonly AttemptResult[];
  readonly chunks: readonly Chunk[];
}

export class Outbox {
  readonly #log: OutboxLog;
  readonly #path: string;
  #journal: Journal | undefined;
  #acknowledgements: Uint8Array[] = [];
  #compactAtBytes = COMPACT_BYTES;
  #retryAtMs = 0;
  #live: () => readonly Uint8Array[] = () => [];
  readonly restored: Restored;

  /** Opens the outbox of a state directory. A damaged file is moved aside, and what could be read of it is kept. */
  constructor(directory: string, log: OutboxLog) {
    this.#log = log;
    this.#path = join(directory, 'outbox');
    const { frames, damage } = Journal.read(this.#path);
    const { restored, unreadable } = replay(frames);
    this.restored = restored;
    const problem = damage ?? unreadable;
    if (problem !== undefined) {
      const aside = `${this.#path}.damaged-${Date.now()}`;
      renameSync(this.#path, aside);
      const kept = restored.results.length;
      log.warn(
        { file: aside },
        `the outbox was damaged (${problem}); it was moved aside, and ${kept} of its results were kept. Tasks whose result was lost run again.`,
      );
    }
    try {
      this.#journal = Journal.create(this.#path, [
        ...encodeChunks(restored.chunks),
        ...encodeResults(restored.results),
      ]);
    } catch (error) {
      this.#fail(error, 0);
    }
  }

  /** Whether results survive the end of this process. */
  get durable(): boolean {
    return this.#journal !== undefined;
  }

  /** @param live the frames of all unacknowledged results, those of this turn included; for compaction */
  attach(live: () => readonly Uint8Array[]): void {
    this.#live = live;
  }

  /** Appends frames of results and chunks; they are on disk when this returns, unless the write failed. */
  record(frames: readonly Uint8Array[], nowMs: number): void {
    if (frames.length === 0) return;
    if (this.#journal === undefined) {
      this.tick(nowMs);
      return;
    }
    try {
      if (this.#journal.bytes >= this.#compactAtBytes) {
        // `#live` includes the frames of this turn.
        this.#compact(this.#journal);
        return;
      }
      this.#journal.append(this.#acknowledgements.length === 0 ? frames : [...this.#acknowledgements, ...frames]);
      this.#acknowledgements = [];
    } catch (error) {
      this.#fail(error, nowMs);
    }
  }

  /** An `acknowledged` frame as received. Written with the next results: one that is lost is received again. */
  acknowledged(frame: Uint8Array): void {
    if (this.#journal !== undefined) this.#acknowledgements.push(Buffer.from(frame));
  }

  /** Retries a failed write. */
  tick(nowMs: number): void {
    if (this.#journal !== undefined || nowMs < this.#retryAtMs) return;
    try {
      this.#journal = Journal.create(this.#path, this.#live());
      this.#acknowledgements = [];
      this.#log.info({ file: this.#path }, 'the outbox can be written again; all results are on disk');
    } catch (error) {
      this.#fail(error, nowMs);
    }
  }

  close(): void {
    const journal = this.#journal;
    if (journal === undefined) return;
    this.#journal = undefined;
    try {
      this.#compact(journal);
    } catch (error) {
      this.#log.warn(
        { error: errorMessage(error) },
        `the outbox could not be compacted (${errorMessage(error)}); nothing is lost`,
      );
    } finally {
      journal.close();
    }
  }

  #compact(journal: Journal): void {
    journal.rewrite(this.#live());
    this.#acknowledgements = [];
    this.#compactAtBytes = Math.max(COMPACT_BYTES, journal.bytes * 4);
  }

  #fail(error: unknown, nowMs: number): void {
    const first = this.#retryAtMs === 0 || this.#journal !== undefined;
    this.#journal?.close();
    this.#journal = undefined;
    this.#acknowledgements = [];
    this.#retryAtMs = nowMs + RETRY_MS;
    if (!first) return;
    const message = `cannot write the outbox (${errorMessage(error)}): results are kept in memory only, and are lost if this process is killed. Free some space on that disk; the agent retries by itself.`;
    this.#log.error({ file: this.#path, error: errorMessage(error) }, message);
  }
}

/** Replays a log of frames; answers what is still unacknowledged. */
function replay(frames: readonly Uint8Array[]): { restored: Restored; unreadable?: string } {
  const results = new Map<string, AttemptResult>();
  const chunks = new Map<string, Chunk[]>();
  let unreadable: string | undefined;
  for (const frame of frames) {
    try {
      apply(frame, results, chunks);
    } catch (error) {
      unreadable ??= `a record is not readable: ${errorMessage(error)}`;
    }
  }
  const keptChunks = [...results.keys()].flatMap((key) => chunks.get(key) ?? []);
  const restored = { results: [...results.values()], chunks: keptChunks };
  return unreadable === undefined ? { restored } : { restored, unreadable };
}

function apply(frame: Uint8Array, results: Map<string, AttemptResult>, chunks: Map<string, Chunk[]>): void {
  const decoded = decodeUp(frame) as { type?: unknown };
  if (decoded.type === 'acknowledged') {
    const message = checkDown(decoded);
    if (message.type !== 'acknowledged') return;
    for (const ref of message.results ?? []) {
      results.delete(keyOf(ref));
      chunks.delete(keyOf(ref));
    }
    return;
  }
  const message = checkUp(decoded);
  if (message.type === 'results') for (const result of message.results) results.set(keyOf(result), result);
  else if (message.type === 'chunks') {
    for (const chunk of message.chunks) {
      const list = chunks.get(keyOf(chunk));
      if (list) list.push(chunk);
      else chunks.set(keyOf(chunk), [chunk]);
    }
  }
}

function keyOf(ref: AttemptRef): string {
  return `${ref.task}/${ref.attempt}`;
}
