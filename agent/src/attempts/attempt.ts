/** One attempt on this worker: its states, its legal moves, and its result as it goes on the wire. Pure. */
import { LIMITS } from '@rma/protocol/limits';
import type { Payload } from '@rma/protocol/payload';
import type { AttemptRef, AttemptResult, Chunk, Dispatch } from '@rma/protocol/task';
import type { Execution, Failure } from '@rma/workloads/runtime';
import type { Served } from './services.js';

export type AttemptState =
  /** Waits for a free slot. */
  | { readonly name: 'waiting' }
  /** The blobs of its input are being downloaded. */
  | { readonly name: 'fetching'; readonly missing: Set<string>; readonly blobs: Map<string, Uint8Array> }
  | { readonly name: 'running'; readonly sinceMs: number }
  /** The execution is over; its large output is being written to disk. */
  | { readonly name: 'storing'; readonly runMs: number }
  /** Its result waits for the acknowledgement; `missing` blobs must be uploaded before it may be sent. */
  | { readonly name: 'finished'; readonly result: AttemptResult; readonly missing: Set<string> };
type StateName = AttemptState['name'];

/** Every legal move between states. What is not here throws. */
const MOVES: Readonly<Record<StateName, readonly StateName[]>> = {
  waiting: ['fetching', 'running', 'finished'],
  fetching: ['running', 'finished'],
  running: ['storing', 'finished'],
  storing: ['finished'],
  finished: ['finished'],
};

export interface Attempt {
  readonly key: string;
  readonly task: string;
  readonly attempt: number;
  /** Absent for one whose result was found in the outbox. */
  readonly dispatch: Dispatch | undefined;
  readonly receivedAtMs: number;
  /** The service of which it occupies a slot. */
  served: Served | undefined;
  /** Present while it runs. */
  execution: Execution | undefined;
  state: AttemptState;
  /** The coordinator still wants its result; otherwise the end of it is only confirmed. */
  wanted: boolean;
  /** A failure that was decided while it ran; it overrides what the runtime reports. */
  verdict: Failure | undefined;
  /** Output chunks that are not known to be stored. */
  chunks: Chunk[];
  chunkBytes: number;
  lastChunk: number;
}

/** How an attempt ended. */
export type Ended =
  | { readonly ok: true; readonly output: Payload; readonly blobs?: readonly string[] }
  | { readonly ok: false; readonly error: Failure };

export function keyOf(ref: AttemptRef): string {
  return `${ref.task}/${ref.attempt}`;
}

export function newAttempt(ref: AttemptRef, dispatch: Dispatch | undefined, nowMs: number): Attempt {
  return {
    key: keyOf(ref),
    task: ref.task,
    attempt: ref.attempt,
    dispatch,
    receivedAtMs: nowMs,
    served: undefined,
    execution: undefined,
    state: { name: 'waiting' },
    wanted: true,
    verdict: undefined,
    chunks: [],
    chunkBytes: 0,
    lastChunk: 0,
  };
}

export function move(attempt: Attempt, to: AttemptState): void {
  const from = attempt.state.name;
  if (!MOVES[from].includes(to.name)) throw new Error(`attempt ${attempt.key} cannot go from ${from} to ${to.name}`);
  attempt.state = to;
}

export function elapsed(attempt: Attempt, nowMs: number): number {
  if (attempt.state.name === 'storing') return attempt.state.runMs;
  return attempt.state.name === 'running' ? Math.max(0, Math.round(nowMs - attempt.state.sinceMs)) : 0;
}

export function dropChunks(attempt: Attempt, storedChunk: number): void {
  let stored = 0;
  for (const chunk of attempt.chunks) {
    if (chunk.chunk > storedChunk) break;
    attempt.chunkBytes -= chunk.data.length;
    stored += 1;
  }
  if (stored > 0) attempt.chunks.splice(0, stored);
}

export function hasBlobs(attempt: Attempt): boolean {
  return attempt.state.name === 'finished' && attempt.state.result.blobs !== undefined;
}

/** The result for the wire; of one shape for the usual case, which is hot. */
export function resultOf(attempt: Attempt, ended: Ended, runMs: number): AttemptResult {
  if (ended.ok) {
    const { output, blobs } = ended;
    if (blobs === undefined || blobs.length === 0)
      return { task: attempt.task, attempt: attempt.attempt, output, runMs };
    return { task: attempt.task, attempt: attempt.attempt, output, blobs: [...blobs], runMs };
  }
  const { code, message, retryable } = ended.error;
  const error = { code: code.slice(0, 64), message: message.slice(0, LIMITS.maxTextLength), retryable };
  return { task: attempt.task, attempt: attempt.attempt, error, runMs };
}
