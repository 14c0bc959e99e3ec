/**
 * The tasks that this client follows, and what is to be sent for them: submits until each is accepted or refused,
 * watches until each has ended, both again after a reconnect. Constant work per task and message. No I/O.
 */
import { retryDelayMs } from '@rma/protocol/backoff';
import type { DownOf } from '@rma/protocol/down';
import { type ErrorKind, ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import type { TaskSpec } from '@rma/protocol/task';
import type { Up, UpOf } from '@rma/protocol/up';
import type { ChunkPosition } from './chunk-feed.js';
import type { Task } from './task.js';

/** A submit frame holds no more than this, so that a small task behind a large batch does not wait for all of it. */
export const MAX_SUBMIT_BYTES = 262_144;
/** A generous guess at what a task's fields take beside its input. */
const SPEC_BYTES = 256;
const FIRST_RETRY_MS = 250;

/** Refusals that pass by themselves. */
function isTemporary(kind: ErrorKind): boolean {
  return kind === 'storage_full' || kind === 'unavailable' || kind === 'rate_limited';
}

type Watch = UpOf<'watch'>['tasks'][number];

export class TaskTable {
  /** Every task that something is still to come of, in the order of submission. */
  readonly #open = new Map<string, Task>();
  /** To be submitted: with and without watching. A task that left the phase `unsent` meanwhile is skipped. */
  #unsent: Task[] = [];
  #unsentHead = 0;
  readonly #watches = new Map<string, Watch>();
  #unwatches: string[] = [];
  /** Refused for now. */
  #retries: Task[] = [];
  #retryAtMs: number | undefined;
  #refusals = 0;
  readonly #prepare: (task: Task) => void;

  /** @param prepare uploads the task's blobs (again) and then calls `add` */
  constructor(prepare: (task: Task) => void) {
    this.#prepare = prepare;
  }

  get size(): number {
    return this.#open.size;
  }

  get(id: string): Task | undefined {
    return this.#open.get(id);
  }

  /** Follows a task; one that is `unsent` is submitted. */
  add(task: Task): void {
    this.#open.set(task.id, task);
    if (task.phase === 'unsent') this.#unsent.push(task);
  }

  /** Watches a task (again), with the chunks after `after`. */
  watch(task: Task, after?: ChunkPosition): void {
    task.watched = true;
    this.#open.set(task.id, task);
    // What is not accepted yet is watched by its submit; only where that has left without, it takes a watch.
    if (task.phase === 'unsent' || task.phase === 'preparing') return;
    this.#watches.set(task.id, watchOf(task, after ?? task.resumeAfter));
  }

  unwatch(task: Task): void {
    if ((task.phase === 'accepted' || task.phase === 'asked') && this.#open.delete(task.id)) {
      task.watched = false;
      this.#watches.delete(task.id);
      this.#unwatches.push(task.id);
    }
  }

  /** The blobs could not be uploaded, or the task is given up otherwise. */
  fail(task: Task, error: Error): void {
    this.#open.delete(task.id);
    task.failed(error);
  }

  accepted({ tasks }: DownOf<'accepted'>): void {
    this.#refusals = 0;
    for (const id of tasks) {
      const task = this.#open.get(id);
      if (task?.phase !== 'sent') continue;
      task.move('accepted');
      if (!task.watched) this.#open.delete(id);
    }
  }

  refused({ tasks }: DownOf<'refused'>, nowMs: number, random: number): void {
    let isPostponed = false;
    for (const { task: id, error } of tasks) {
      const task = this.#open.get(id);
      if (!task) continue;
      if (task.phase === 'sent' && isTemporary(error.kind)) {
        task.move('unsent');
        this.#retries.push(task);
        isPostponed = true;
      } else if (task.phase !== 'unsent' && task.phase !== 'preparing') {
        this.fail(task, ProtocolError.fromWire(error));
      }
    }
    if (isPostponed) this.#postpone(nowMs, random);
  }

  /** A whole `submit` or `watch` was turned down. It names no task, so all that wait for such an answer are meant. */
  turnedDown(about: string | undefined, error: ProtocolError, nowMs: number, random: number): void {
    const phase = about === 'submit' ? 'sent' : about === 'watch' ? 'asked' : undefined;
    for (const task of phase ? [...this.#open.values()] : []) {
      if (task.phase !== phase) continue;
      if (phase === 'asked' || !isTemporary(error.kind)) this.fail(task, error);
      else {
        task.move('unsent');
        this.#retries.push(task);
      }
    }
    if (this.#retries.length > 0) this.#postpone(nowMs, random);
  }

  changed({ tasks }: DownOf<'changed'>): void {
    for (const change of tasks) this.#open.get(change.task)?.changed(change);
  }

  chunks({ chunks }: DownOf<'chunks'>): void {
    for (const chunk of chunks) this.#open.get(chunk.task)?.chunk(chunk);
  }

  ended({ tasks }: DownOf<'ended'>): void {
    for (const end of tasks) {
      const task = this.#open.get(end.task);
      if (!task || task.phase === 'unsent' || task.phase === 'preparing') continue;
      this.#open.delete(end.task);
      task.ended(end);
    }
  }

  /** The session is over: what was not answered is sent again in the next one, the rest is watched again. */
  lost(): void {
    this.#unsent = [];
    this.#unsentHead = 0;
    this.#watches.clear();
    this.#unwatches = [];
    this.#retries = [];
    this.#retryAtMs = undefined;
    for (const task of [...this.#open.values()]) {
      if (task.phase === 'sent' || task.phase === 'unsent') {
        if (task.spec?.blobs?.length) {
          // What was uploaded may be gone by the time there is a session again.
          task.move('preparing');
          this.#prepare(task);
        } else {
          if (task.phase === 'sent') task.move('unsent');
          this.#unsent.push(task);
        }
      } else if (task.phase !== 'preparing') this.#watches.set(task.id, watchOf(task, task.resumeAfter));
    }
  }

  /** Nothing more will come. */
  failed(error: Error): void {
    const tasks = [...this.#open.values()];
    this.#open.clear();
    for (const task of tasks) task.failed(error);
  }

  dueAtMs(): number | undefined {
    return this.#retryAtMs;
  }

  tick(nowMs: number): void {
    if (this.#retryAtMs === undefined || nowMs < this.#retryAtMs) return;
    this.#retryAtMs = undefined;
    const retries = this.#retries;
    this.#retries = [];
    for (const task of retries) if (task.phase === 'unsent') this.#unsent.push(task);
  }

  /** How many tasks are to be submitted. */
  get submits(): number {
    return this.#unsent.length - this.#unsentHead;
  }

  /** The next submit frame, or undefined where nothing is to be submitted. */
  takeSubmit(): UpOf<'submit'> | undefined {
    const specs: TaskSpec[] = [];
    let bytes = 0;
    let isWatched: boolean | undefined;
    while (this.#unsentHead < this.#unsent.length) {
      const task = this.#unsent[this.#unsentHead] as Task;
      if (task.phase === 'unsent' && task.spec && this.#open.has(task.id)) {
        const size = task.spec.input.length + SPEC_BYTES;
        isWatched ??= task.watched;
        if (task.watched !== isWatched || specs.length >= LIMITS.maxItems) break;
        if (specs.length > 0 && bytes + size > MAX_SUBMIT_BYTES) break;
        bytes += size;
        specs.push(task.spec);
        task.move('sent');
      }
      this.#unsentHead += 1;
    }
    if (this.#unsentHead === this.#unsent.length) {
      this.#unsent = [];
      this.#unsentHead = 0;
    }
    return specs.length > 0 ? { type: 'submit', tasks: specs, watch: isWatched === true } : undefined;
  }

  /** Watches and unwatches. */
  takeWatches(): Up[] {
    if (this.#watches.size === 0 && this.#unwatches.length === 0) return [];
    const messages: Up[] = slices(this.#unwatches).map((tasks) => ({ type: 'unwatch', tasks }));
    for (const tasks of slices([...this.#watches.values()])) messages.push({ type: 'watch', tasks });
    this.#watches.clear();
    this.#unwatches = [];
    return messages;
  }

  #postpone(nowMs: number, random: number): void {
    this.#refusals += 1;
    this.#retryAtMs = nowMs + retryDelayMs(Math.min(this.#refusals, 7), FIRST_RETRY_MS, random);
  }
}

function watchOf(task: Task, after: ChunkPosition | undefined): Watch {
  return after
    ? { task: task.id, after: { attempt: Math.max(1, after.attempt), chunk: after.chunk } }
    : { task: task.id };
}

function slices<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < items.length; i += LIMITS.maxItems) parts.push(items.slice(i, i + LIMITS.maxItems));
  return parts;
}
