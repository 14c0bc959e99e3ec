/**
 * A task that this client follows: its phase, its end, and the readers that wait for it. Promises are made only on
 * demand, so that a task costs one object. Does no I/O: what it needs from the coordinator it requests of its follower.
 */
import { unpackPayload } from '@rma/protocol/payload';
import type { TaskChange, TaskEnd, TaskSpec } from '@rma/protocol/task';
import { AsyncQueue } from './async-queue.js';
import { BEFORE_FIRST, ChunkFeed, type ChunkPosition, isAfter, type TaskChunk } from './chunk-feed.js';
import { TaskError } from './client-error.js';
import { type Deferred, deferred } from './deferred.js';
import { type TaskReference, type TaskResult, taskResult } from './task-result.js';

/**
 * A submitted or watched task. It can be iterated for its output chunks:
 *
 * ```ts
 * const task = client.submit('echo', { chunks: 3, delayMs: 300 });
 * for await (const { data } of task) console.log(data);
 * const { state, timings } = await task.result();
 * ```
 */
export interface TaskHandle<Output = unknown> extends AsyncIterable<TaskChunk> {
  /** UUIDv7, made by this client. */
  readonly id: string;
  /** Undefined for `watch(id)`. */
  readonly kind: string | undefined;
  /** Settles once the coordinator has the task on disk. Rejects with a `ProtocolError` where it refuses it. */
  readonly accepted: Promise<void>;
  /** Every change of state and every progress report from now on, beginning with the last one known. */
  readonly changes: AsyncIterable<TaskChange>;
  /** How the task ended, well or not. Rejects where it was refused, and where the client is closed before the end. */
  result(): Promise<TaskResult<Output>>;
  /** As `result()`, with what lies in blobs as references: nothing is downloaded. */
  resultByReference(): Promise<TaskReference>;
  /** The output. Rejects with a `TaskError` where the task did not succeed. */
  output(): Promise<Output>;
  /** Ends the task. Rejects with `conflict` where it has ended otherwise. */
  cancel(): Promise<void>;
}

/** `preparing`: its blobs are being uploaded. `asked`: followed by its id only. `refused` and `ended` are final. */
export type TaskPhase = 'preparing' | 'unsent' | 'sent' | 'asked' | 'accepted' | 'ended' | 'refused';

const MOVES: Readonly<Record<TaskPhase, readonly TaskPhase[]>> = {
  preparing: ['unsent', 'refused'],
  unsent: ['sent', 'preparing', 'refused'],
  sent: ['accepted', 'ended', 'unsent', 'preparing', 'refused'],
  asked: ['accepted', 'ended', 'refused'],
  accepted: ['ended', 'refused'],
  ended: [],
  refused: [],
};

/** The port through which a task is watched, cancelled and its output fetched. */
export interface TaskFollower {
  /** Watch it, again if need be: chunks after `after` are wanted. */
  watch(task: Task, after: ChunkPosition | undefined): void;
  /** No reader waits for it any more. */
  unwatch(task: Task): void;
  cancel(task: Task): Promise<void>;
  /** The output's value; a promise where it lies in blobs. */
  output(end: TaskEnd): unknown;
}

/** `accepted` and `result()` both reject on a refusal; the one that is not awaited must not be an unhandled rejection. */
const handledByResult = () => undefined;

export class Task implements TaskHandle {
  readonly id: string;
  readonly kind: string | undefined;
  /** What is sent; dropped once it is accepted. */
  spec: TaskSpec | undefined;
  /** What its input names and must be uploaded before; dropped with `spec`. */
  blobs: ReadonlyMap<string, Uint8Array> | undefined;
  /** Whether it is watched, or will be with its submit. */
  watched: boolean;
  lastChunk: ChunkPosition = BEFORE_FIRST;
  readonly #follower: TaskFollower;
  /** No chunk can have been missed: it was watched before its first. */
  readonly #isWatchedFromStart: boolean;
  #phase: TaskPhase;
  #accepted: Deferred<void> | undefined;
  #result: Deferred<TaskResult> | undefined;
  #reference: Deferred<TaskReference> | undefined;
  #failure: Error | undefined;
  #end: TaskEnd | undefined;
  #change: TaskChange | undefined;
  #chunkFeeds: ChunkFeed[] | undefined;
  #changeQueues: AsyncQueue<TaskChange>[] | undefined;

  constructor(id: string, kind: string | undefined, phase: TaskPhase, watched: boolean, follower: TaskFollower) {
    this.id = id;
    this.kind = kind;
    this.#phase = phase;
    this.watched = watched;
    this.#isWatchedFromStart = watched && phase !== 'asked';
    this.#follower = follower;
  }

  get phase(): TaskPhase {
    return this.#phase;
  }

  /** Whether a reader still waits for it. */
  get isAwaited(): boolean {
    return (
      this.#result !== undefined ||
      this.#reference !== undefined ||
      (this.#chunkFeeds?.length ?? 0) > 0 ||
      (this.#changeQueues?.length ?? 0) > 0
    );
  }

  get accepted(): Promise<void> {
    if (!this.#accepted) {
      this.#accepted = deferred();
      this.#accepted.promise.catch(handledByResult);
      if (this.#phase === 'accepted' || this.#phase === 'ended') this.#accepted.resolve();
      else if (this.#failure) this.#accepted.reject(this.#failure);
    }
    return this.#accepted.promise;
  }

  result(): Promise<TaskResult> {
    if (!this.#result) {
      this.#result = deferred();
      if (this.#failure) this.#result.reject(this.#failure);
      else if (this.#end) this.#settle(this.#result, this.#end);
      else this.#want();
    }
    return this.#result.promise;
  }

  resultByReference(): Promise<TaskReference> {
    if (!this.#reference) {
      this.#reference = deferred();
      if (this.#failure) this.#reference.reject(this.#failure);
      else if (this.#end) this.#refer(this.#reference, this.#end);
      else this.#want();
    }
    return this.#reference.promise;
  }

  async output(): Promise<unknown> {
    const result = await this.result();
    if (result.state === 'succeeded') return result.output;
    throw new TaskError(this.id, result.state, result.error.code, result.error.message);
  }

  cancel(): Promise<void> {
    return this.#follower.cancel(this);
  }

  [Symbol.asyncIterator](): AsyncIterator<TaskChunk> {
    const feed = new ChunkFeed(
      (after) => this.#follower.watch(this, after),
      (done) => {
        this.#chunkFeeds = this.#chunkFeeds?.filter((one) => one !== done);
        this.#left();
      },
    );
    if (this.#failure) feed.queue.end(this.#failure);
    else {
      this.#chunkFeeds = [...(this.#chunkFeeds ?? []), feed];
      const misses = this.#end || this.lastChunk.attempt > 0 || !this.#isWatchedFromStart;
      if (misses) this.#follower.watch(this, feed.position);
    }
    return feed.queue;
  }

  get changes(): AsyncIterable<TaskChange> {
    return { [Symbol.asyncIterator]: () => this.#followChanges() };
  }

  /** @throws on an illegal move: a defect of the client */
  move(to: TaskPhase): void {
    if (!MOVES[this.#phase].includes(to)) throw new Error(`task ${this.id} cannot go from ${this.#phase} to ${to}`);
    this.#phase = to;
    if (to === 'accepted' || to === 'ended') {
      this.spec = undefined;
      this.blobs = undefined;
      this.#accepted?.resolve();
    }
  }

  /** The chunk after which a reconnected client wants more; undefined where no reader wants chunks. */
  get resumeAfter(): ChunkPosition | undefined {
    const feeds = this.#chunkFeeds ?? [];
    if (feeds.length === 0) return this.lastChunk.attempt > 0 ? this.lastChunk : undefined;
    return feeds.reduce((least, { position }) => (isAfter(least, position) ? position : least), this.lastChunk);
  }

  changed(change: TaskChange): void {
    if (this.#phase === 'asked') this.move('accepted');
    this.#change = change;
    for (const queue of this.#changeQueues ?? []) pushChange(queue, change);
  }

  chunk(chunk: Parameters<ChunkFeed['offer']>[0]): void {
    if (isAfter(chunk, this.lastChunk)) this.lastChunk = { attempt: chunk.attempt, chunk: chunk.chunk };
    for (const feed of this.#chunkFeeds ?? []) feed.offer(chunk);
  }

  /** The end, or its repetition after something was asked for again. */
  ended(end: TaskEnd): void {
    if (!this.#end) {
      this.move('ended');
      this.#end = end;
      if (this.#result) this.#settle(this.#result, end);
      if (this.#reference) this.#refer(this.#reference, end);
      for (const queue of this.#changeQueues ?? []) queue.end();
    }
    for (const feed of this.#chunkFeeds ?? []) feed.ended();
  }

  /** Refused, or given up. What is settled already stays so. */
  failed(error: Error): void {
    for (const feed of this.#chunkFeeds ?? []) feed.queue.end(error);
    if (this.#phase === 'ended' || this.#phase === 'refused') return;
    const wasAccepted = this.#phase === 'accepted';
    this.move('refused');
    this.spec = undefined;
    this.blobs = undefined;
    this.#failure = error;
    if (!wasAccepted) this.#accepted?.reject(error);
    this.#result?.reject(error);
    this.#reference?.reject(error);
    for (const queue of this.#changeQueues ?? []) queue.end(error);
  }

  #want(): void {
    if (!this.watched) this.#follower.watch(this, undefined);
  }

  #left(): void {
    if (!this.isAwaited) this.#follower.unwatch(this);
  }

  #settle(result: Deferred<TaskResult>, end: TaskEnd): void {
    try {
      const output = end.blobs?.length ? this.#follower.output(end) : end.output && unpackPayload(end.output);
      if (!(output instanceof Promise)) result.resolve(taskResult(end, this.kind, output));
      else output.then((value) => result.resolve(taskResult(end, this.kind, value)), result.reject);
    } catch (error) {
      result.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #refer(reference: Deferred<TaskReference>, end: TaskEnd): void {
    try {
      const result = taskResult(end, this.kind, end.output && unpackPayload(end.output));
      reference.resolve({ ...result, blobs: new Set(end.blobs) });
    } catch (error) {
      reference.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #followChanges(): AsyncIterator<TaskChange> {
    const queue: AsyncQueue<TaskChange> = new AsyncQueue({
      onDone: () => {
        this.#changeQueues = this.#changeQueues?.filter((one) => one !== queue);
        this.#left();
      },
    });
    if (this.#change && !this.#end) queue.push(this.#change);
    if (this.#failure) queue.end(this.#failure);
    else if (this.#end) queue.end();
    else {
      this.#changeQueues = [...(this.#changeQueues ?? []), queue];
      this.#want();
    }
    return queue;
  }
}

/** Progress that has not been read is replaced by newer progress, so that a slow reader costs no memory. */
function pushChange(queue: AsyncQueue<TaskChange>, change: TaskChange): void {
  const isSame = (last: TaskChange) => last.state === change.state && last.attempt === change.attempt;
  if (!queue.replaceLast(isSame, change)) queue.push(change);
}
