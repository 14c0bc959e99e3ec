/**
 * The results (with the output chunks that belong to them) that the coordinator has not acknowledged, on disk. The file
 * is a log of frames of the wire: `results` and `chunks` as sent, `acknowledged` as received. When the disk fails, the
 * results stay in memory, it is said once, and writing is tried again every second.
 */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { encodeChunks, encodeResults } from '@rma/peer/message-batch';
import { checkDown, checkUp } from '@rma/protocol/check';
import { decodeUp } from '@rma/protocol/codec';
import type { AttemptRef, AttemptResult, Chunk } from '@rma/protocol/task';
import { Journal } from './journal.js';

/** The file is written anew, with what is still needed, when it has grown by so much. */
const COMPACT_BYTES = 8 * 1_048_576;
const RETRY_MS = 1_000;

/** The part of a pino logger that is used. */
export interface OutboxLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What was found on disk. */
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

  /** Opens the outbox of a state directory. A damaged file is moved aside, with what could be read of it kept. */
  constructor(directory: string, log: OutboxLog) {
    this.#log = log;
    this.#path = join(directory, 'outbox');
    const { frames, damage } = Journal.read(this.#path);
    const { restored, unreadable } = replay(frames);
    this.restored = restored;
    const fault = damage ?? unreadable;
    if (fault !== undefined) {
      const aside = `${this.#path}.damaged-${Date.now()}`;
      renameSync(this.#path, aside);
      const kept = restored.results.length;
      log.warn(
        { file: aside },
        `the outbox was damaged (${fault}); it was moved aside, and ${kept} of its results were kept. Tasks whose result was lost run again.`,
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

  /** Whether results are safe from this process's end. */
  get durable(): boolean {
    return this.#journal !== undefined;
  }

  /** Who tells the frames of everything that is still needed, this turn's included, when the file is written anew. */
  attach(live: () => readonly Uint8Array[]): void {
    this.#live = live;
  }

  /** Keeps frames of results and chunks; they are on disk when this returns, unless the disk failed. */
  record(frames: readonly Uint8Array[], nowMs: number): void {
    if (frames.length === 0) return;
    if (this.#journal === undefined) {
      this.tick(nowMs);
      return;
    }
    try {
      if (this.#journal.bytes >= this.#compactAtBytes) {
        // What `#live` tells includes the frames of this turn.
        this.#compact(this.#journal);
        return;
      }
      this.#journal.append(this.#acknowledgements.length === 0 ? frames : [...this.#acknowledgements, ...frames]);
      this.#acknowledgements = [];
    } catch (error) {
      this.#fail(error, nowMs);
    }
  }

  /** An `acknowledged` frame as it came. Written with the next results: to lose one only means to be told again. */
  acknowledged(frame: Uint8Array): void {
    if (this.#journal !== undefined) this.#acknowledgements.push(Buffer.from(frame));
  }

  /** Tries again what failed. */
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
      this.#log.warn({ error: text(error) }, `the outbox could not be tidied up (${text(error)}); nothing is lost`);
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
    const message = `cannot write the outbox (${text(error)}): results are kept in memory only, and are lost if this process is killed. Make room on that disk; it goes on by itself.`;
    this.#log.error({ file: this.#path, error: text(error) }, message);
  }
}

/** Applies a log of frames: what is still unacknowledged. */
function replay(frames: readonly Uint8Array[]): { restored: Restored; unreadable?: string } {
  const results = new Map<string, AttemptResult>();
  const chunks = new Map<string, Chunk[]>();
  let unreadable: string | undefined;
  for (const frame of frames) {
    try {
      apply(frame, results, chunks);
    } catch (error) {
      unreadable ??= `a record is not readable: ${text(error)}`;
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

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
