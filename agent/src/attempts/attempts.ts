/**
 * Every attempt of this worker, from its dispatch to the acknowledgement of its result. A state machine behind a port:
 *
 *     dispatch() -> executor.start() -> [executor.fetch() first] -> ended() -> takeOutgoing() -> acknowledged()
 *
 * What must be done is asked of the executor at once; what must be sent is kept for the flush of the tick.
 */
import type { DownOf } from '@rma/protocol/down';
import { LIMITS } from '@rma/protocol/limits';
import { type Payload, unpackPayload } from '@rma/protocol/payload';
import type { AttemptRef, AttemptResult, Chunk, Dispatch } from '@rma/protocol/task';
import type { Verdict } from '@rma/protocol/worker';
import type { Execution, Failure } from '@rma/workloads/runtime';
import {
  type Attempt,
  dropChunks,
  type Ended,
  elapsed,
  hasBlobs,
  keyOf,
  move,
  newAttempt,
  resultOf,
} from './attempt.js';
import { AttemptTable } from './attempt-table.js';
import { type Outgoing, OutgoingQueue } from './outgoing.js';
import { hasRoom, type Served, type Services } from './services.js';

/** Memory for output chunks that the coordinator has not stored yet; beyond it the attempt fails. */
const MAX_UNSTORED_CHUNK_BYTES = 32 * 1_048_576;

/** The end of an attempt that the coordinator called void while it ran. */
const VOID: Failure = { code: 'cancelled', message: 'another attempt counts, or none', retryable: false };

/** What the attempts have done on their behalf. Each method may report back before it returns. */
export interface AttemptExecutor {
  /** Downloads the blobs of its input: `fetched` for each, or `ended`. */
  fetch(attempt: Attempt, blobs: readonly string[]): void;
  /** Executes it: `start`, then `ended`. */
  start(attempt: Attempt): void;
  /** Stops its execution; `ended` follows all the same. */
  cancel(attempt: Attempt): void;
  /** Uploads blobs of its output: `uploaded` for each, or `uploadFailed`. */
  upload(attempt: Attempt, blobs: readonly string[]): void;
  /** Ends its transfers. */
  endTransfers(attempt: Attempt): void;
  /** It is acknowledged, or not wanted: its transfers and the files of its output are not needed any more. */
  forget(attempt: Attempt): void;
}

export class Attempts {
  readonly #services: Services;
  readonly #executor: AttemptExecutor;
  readonly #table = new AttemptTable();
  readonly #out = new OutgoingQueue();
  readonly #waiting: Attempt[] = [];
  #online = false;
  #draining = false;

  constructor(services: Services, executor: AttemptExecutor) {
    this.#services = services;
    this.#executor = executor;
  }

  /** Attempts that have not ended. */
  get unfinished(): number {
    return this.#table.unfinished;
  }

  /** Results that are not acknowledged. */
  get unacknowledged(): number {
    return this.#table.unacknowledged;
  }

  find(ref: AttemptRef): Attempt | undefined {
    return this.#table.find(ref);
  }

  /** Adds what the outbox held when the agent started. */
  restore(results: readonly AttemptResult[], chunks: readonly Chunk[]): void {
    this.#table.restore(results, chunks);
  }

  /** The lists of `hello`: what is reconciled. */
  lists(): ReturnType<AttemptTable['lists']> {
    return this.#table.lists();
  }

  /** Unacknowledged results, for the outbox to write anew. */
  results(): Iterable<AttemptResult> {
    return this.#table.results();
  }

  /** Chunks that belong to results in the outbox and are not stored at the coordinator. */
  chunksOfResults(): Iterable<Chunk> {
    return this.#table.chunksOfResults();
  }

  /** Takes no new ones, or takes them again. */
  drain(draining: boolean): void {
    this.#draining = draining;
  }

  /** The session ended: the next `hello` reports what was to be sent. */
  offline(): void {
    this.#online = false;
    this.#out.offline();
  }

  /** The session began, with the coordinator's verdict on each attempt that `hello` named. */
  online(verdicts: readonly Verdict[], nowMs: number): void {
    this.#online = true;
    const byKey = new Map(verdicts.map((verdict) => [keyOf(verdict), verdict]));
    const abandoned: Attempt[] = [];
    for (const attempt of this.#table.list()) {
      const verdict = byKey.get(attempt.key);
      if (verdict?.verdict === 'drop' && attempt.state.name === 'finished') this.#remove(attempt);
      else if (verdict?.verdict === 'stop' || verdict?.verdict === 'drop') abandoned.push(attempt);
      // Without a verdict it did not fit in `hello`, or the coordinator forgot it: the result's answer will show which.
      else this.#resume(attempt, verdict?.chunk ?? 0);
    }
    // Last, because they free slots: what starts then must not be resumed, too.
    for (const attempt of abandoned) this.#abandon(attempt, nowMs);
    this.#startWaiting(nowMs);
  }

  dispatch(dispatches: readonly Dispatch[], nowMs: number): void {
    for (const dispatch of dispatches) {
      const known = this.#table.find(dispatch);
      if (known !== undefined) {
        if (known.state.name === 'finished') this.#send(known);
        continue;
      }
      const attempt = newAttempt(dispatch, dispatch, nowMs);
      this.#table.open(attempt);
      const served = this.#draining ? undefined : this.#services.serving(dispatch.kind, () => modelOf(dispatch));
      if (served === undefined) this.#refuse(attempt, nowMs);
      else if (hasRoom(served)) this.#begin(attempt, served);
      else this.#waiting.push(attempt);
    }
  }

  /** Services changed: what waits may start, or must be refused. */
  servicesChanged(nowMs: number): void {
    this.#startWaiting(nowMs);
  }

  /** The coordinator wants these stopped, and a result of each. */
  stop(stops: DownOf<'stop'>['attempts'], nowMs: number): void {
    for (const { reason, ...ref } of stops) {
      const attempt = this.#table.find(ref);
      if (attempt !== undefined) this.#cancel(attempt, { code: 'cancelled', message: reason, retryable: false }, nowMs);
    }
  }

  /** Ends everything that has not ended: another worker may do these. */
  cancelAll(message: string, nowMs: number): void {
    const failure: Failure = { code: 'cancelled', message, retryable: true };
    for (const attempt of this.#table.list()) this.#cancel(attempt, failure, nowMs);
  }

  fetched(attempt: Attempt, blob: string, bytes: Uint8Array): void {
    if (attempt.state.name !== 'fetching') return;
    attempt.state.blobs.set(blob, bytes);
    attempt.state.missing.delete(blob);
    if (attempt.state.missing.size === 0) this.#executor.start(attempt);
  }

  /** Starts it by `start`, unless it has ended meanwhile. `running` first: a handler may give output while it starts. */
  start(attempt: Attempt, start: () => Execution, nowMs: number): Execution | undefined {
    const { name } = attempt.state;
    if (!this.#table.has(attempt) || (name !== 'waiting' && name !== 'fetching')) return undefined;
    move(attempt, { name: 'running', sinceMs: nowMs });
    attempt.execution = start();
    return attempt.execution;
  }

  progress(attempt: Attempt, fraction: number, note: string | undefined): void {
    if (!this.#online || !attempt.wanted || attempt.state.name !== 'running') return;
    const { task } = attempt;
    const bounded = Math.min(1, Math.max(0, Number.isFinite(fraction) ? fraction : 0));
    const text = note === undefined ? {} : { note: note.slice(0, LIMITS.maxTextLength) };
    this.#out.progress.set(attempt, { task, attempt: attempt.attempt, fraction: bounded, ...text });
  }

  chunk(attempt: Attempt, data: Payload, nowMs: number): void {
    if (!attempt.wanted || attempt.verdict !== undefined || attempt.state.name !== 'running') return;
    if (data.length > LIMITS.maxInlineBytes) {
      const message = `the handler gave a chunk of ${data.length} bytes; at most ${LIMITS.maxInlineBytes} (maxInlineBytes) are taken. Give smaller ones.`;
      this.#cancel(attempt, { code: 'chunk.too_large', message, retryable: false }, nowMs);
      return;
    }
    if (attempt.chunkBytes + data.length > MAX_UNSTORED_CHUNK_BYTES) {
      const message = `more than ${MAX_UNSTORED_CHUNK_BYTES} bytes of output chunks wait to be stored; the coordinator is away or too slow`;
      this.#cancel(attempt, { code: 'chunk.backlog', message, retryable: true }, nowMs);
      return;
    }
    attempt.lastChunk += 1;
    attempt.chunkBytes += data.length;
    const chunk: Chunk = { task: attempt.task, attempt: attempt.attempt, chunk: attempt.lastChunk, data };
    attempt.chunks.push(chunk);
    if (this.#online) this.#out.chunks.push(chunk);
  }

  /** It ran to its end; its output is too large for a message and is written to disk next. */
  storing(attempt: Attempt, nowMs: number): void {
    this.#release(attempt, nowMs);
    move(attempt, { name: 'storing', runMs: elapsed(attempt, nowMs) });
  }

  /** The execution is over, or never began. */
  ended(attempt: Attempt, ended: Ended, nowMs: number): void {
    const runMs = elapsed(attempt, nowMs);
    this.#release(attempt, nowMs);
    this.#finish(attempt, attempt.verdict === undefined ? ended : { ok: false, error: attempt.verdict }, runMs);
  }

  /** A blob of its output is held by the coordinator. */
  uploaded(attempt: Attempt, blob: string): void {
    const { state } = attempt;
    if (state.name !== 'finished' || !state.missing.delete(blob)) return;
    if (state.missing.size === 0) this.#out.again.push(attempt);
  }

  /** The coordinator will never take a blob of its output: the attempt failed. */
  uploadFailed(attempt: Attempt, error: Failure): void {
    if (attempt.state.name !== 'finished' || !this.#table.has(attempt)) return;
    const { runMs } = attempt.state.result;
    const result = resultOf(attempt, { ok: false, error }, runMs ?? 0);
    move(attempt, { name: 'finished', result, missing: new Set() });
    this.#out.fresh.push(attempt);
  }

  acknowledged(message: DownOf<'acknowledged'>): void {
    for (const { chunk, ...ref } of message.chunks ?? []) {
      const attempt = this.#table.find(ref);
      if (attempt) dropChunks(attempt, chunk);
    }
    for (const ref of message.results ?? []) {
      const attempt = this.#table.find(ref);
      if (attempt?.state.name === 'finished') this.#remove(attempt);
    }
  }

  /** Ends those whose input did not arrive in time; what runs is the runtimes' to end. */
  tick(nowMs: number): void {
    if (this.#table.unfinished === 0) return;
    for (const attempt of this.#table.list()) {
      if (attempt.state.name !== 'fetching' || attempt.dispatch === undefined) continue;
      const { timeoutMs } = attempt.dispatch;
      if (nowMs - attempt.receivedAtMs < timeoutMs) continue;
      const message = `its input did not arrive within ${timeoutMs} ms (timeoutMs)`;
      this.#cancel(attempt, { code: 'timeout', message, retryable: true }, nowMs);
    }
  }

  takeOutgoing(): Outgoing {
    return this.#out.take();
  }

  #begin(attempt: Attempt, served: Served): void {
    attempt.served = served;
    served.taken += 1;
    const blobs = attempt.dispatch?.blobs;
    if (blobs === undefined || blobs.length === 0) {
      this.#executor.start(attempt);
      return;
    }
    move(attempt, { name: 'fetching', missing: new Set(blobs), blobs: new Map() });
    this.#executor.fetch(attempt, blobs);
  }

  #refuse(attempt: Attempt, nowMs: number): void {
    const why = this.#draining
      ? 'this worker takes no new tasks now'
      : `this worker serves no ${attempt.dispatch?.kind} now`;
    this.ended(attempt, { ok: false, error: { code: 'refused', message: why, retryable: true } }, nowMs);
  }

  #startWaiting(nowMs: number): void {
    if (this.#waiting.length === 0) return;
    for (const attempt of this.#waiting.splice(0)) {
      if (!this.#table.has(attempt) || attempt.state.name !== 'waiting') continue;
      const { dispatch } = attempt;
      const served = this.#services.serving(dispatch?.kind ?? '', () => dispatch && modelOf(dispatch));
      if (served === undefined) this.#refuse(attempt, nowMs);
      else if (hasRoom(served)) this.#begin(attempt, served);
      else this.#waiting.push(attempt);
    }
  }

  #release(attempt: Attempt, nowMs: number): void {
    const { served } = attempt;
    if (served === undefined) return;
    attempt.served = undefined;
    served.taken -= 1;
    this.#startWaiting(nowMs);
  }

  #cancel(attempt: Attempt, failure: Failure, nowMs: number): void {
    const { name } = attempt.state;
    if (name === 'finished' || name === 'storing') return;
    if (name === 'running') {
      // The runtime reports a plain cancellation itself; any other failure would be lost in that report.
      if (failure.code !== 'cancelled' || failure.retryable) attempt.verdict ??= failure;
      this.#executor.cancel(attempt);
    } else this.ended(attempt, { ok: false, error: failure }, nowMs);
  }

  /** The coordinator wants nothing more of it but the word that its slot is free. */
  #abandon(attempt: Attempt, nowMs: number): void {
    attempt.wanted = false;
    attempt.chunks = [];
    if (attempt.state.name !== 'finished') {
      this.#cancel(attempt, VOID, nowMs);
      return;
    }
    // It ended after the hello that called it running.
    if (hasBlobs(attempt)) this.#executor.forget(attempt);
    move(attempt, { name: 'finished', result: resultOf(attempt, { ok: false, error: VOID }, 0), missing: new Set() });
    this.#send(attempt);
  }

  #resume(attempt: Attempt, storedChunk: number): void {
    dropChunks(attempt, storedChunk);
    this.#out.chunks.push(...attempt.chunks);
    if (attempt.state.name !== 'finished') return;
    // Offered again whatever was uploaded before: the coordinator keeps what no task names for an hour only.
    for (const blob of attempt.state.result.blobs ?? []) attempt.state.missing.add(blob);
    this.#send(attempt);
  }

  #send(attempt: Attempt): void {
    if (attempt.state.name !== 'finished' || !this.#online) return;
    const { missing } = attempt.state;
    if (missing.size > 0) this.#executor.upload(attempt, [...missing]);
    else if (!this.#out.fresh.includes(attempt)) this.#out.again.push(attempt);
  }

  #finish(attempt: Attempt, ended: Ended, runMs: number): void {
    attempt.execution = undefined;
    if (attempt.state.name === 'fetching') this.#executor.endTransfers(attempt);
    const result = resultOf(attempt, attempt.wanted ? ended : { ok: false, error: VOID }, runMs);
    const missing = new Set(result.blobs);
    move(attempt, { name: 'finished', result, missing });
    this.#table.finished();
    if (missing.size === 0) this.#out.fresh.push(attempt);
    else {
      this.#out.held.push(attempt);
      if (this.#online) this.#executor.upload(attempt, [...missing]);
    }
  }

  #remove(attempt: Attempt): void {
    if (!this.#table.remove(attempt)) return;
    if (attempt.dispatch === undefined || attempt.dispatch.blobs || hasBlobs(attempt)) {
      this.#executor.forget(attempt);
    }
  }
}

/** The model that a task asks for; an input that cannot be read is the runtime's to refuse. */
function modelOf(dispatch: Dispatch): string | undefined {
  try {
    const input = unpackPayload(dispatch.input);
    const model = typeof input === 'object' && input !== null && 'model' in input ? input.model : undefined;
    return typeof model === 'string' ? model : undefined;
  } catch {
    return undefined;
  }
}
