/** The topic `tasks`: the newest tasks that match a filter. A change holds each task's latest view, not its steps. */
import { defined } from '@rma/protocol/defined';
import type { TaskTopicFilter } from '@rma/protocol/topic';
import type { TaskView } from '@rma/protocol/view';
import type { State } from '../core/state.js';
import type { Task } from '../core/task.js';
import type { Reads, StoredTask } from '../store/reader.js';
import type { Commit, Topic, TopicMessage } from './topic.js';

export const DEFAULT_LIMIT = 100;
/** Tasks that left make room for older ones in the store, which is read at most this often. */
const REFILL_MS = 2_000;

export interface TasksChange {
  readonly tasks: Map<string, TaskView>;
  readonly gone: Set<string>;
  readonly omitted: number;
}

interface Shown {
  readonly seq: number;
  /** Set while the view is out of date. */
  task: Task | undefined;
  view: TaskView | undefined;
}

export class TasksTopic implements Topic<TasksChange> {
  readonly key: string;
  readonly #filter: TaskTopicFilter;
  readonly #owner: string | undefined;
  readonly #limit: number;
  readonly #reader: Pick<Reads, 'tasks'>;
  readonly #shown = new Map<string, Shown>();
  /** The sequence numbers of the tasks in `#shown`, ascending. */
  #seqs: number[] = [];
  #dirty = new Set<string>();
  #gone = new Set<string>();
  #omitted = 0;
  /** The store may hold older tasks that match. */
  #hasMore = true;
  #loading: Promise<void> | undefined;
  #loadedAtMs = Number.NEGATIVE_INFINITY;

  /** @param owner restricts the view to one owner's tasks, whatever the filter says */
  constructor(filter: TaskTopicFilter, owner: string | undefined, reader: Pick<Reads, 'tasks'>) {
    this.#filter = filter;
    this.#owner = owner ?? filter.owner;
    this.#limit = filter.limit ?? DEFAULT_LIMIT;
    this.#reader = reader;
    this.key = TasksTopic.keyOf(filter, owner);
  }

  static keyOf({ states, kind, owner: of, worker, limit }: TaskTopicFilter, owner: string | undefined): string {
    const which = [[...new Set(states)].sort(), kind ?? 0, owner ?? of ?? 0, worker ?? 0, limit ?? DEFAULT_LIMIT];
    return `tasks ${JSON.stringify(which)}`;
  }

  observe({ effects }: Commit): void {
    for (const task of effects.persist.tasks) {
      const shown = this.#shown.get(task.id);
      if (!this.#matches(task)) {
        if (shown) this.#drop(task.id, shown);
        continue;
      }
      if (shown) {
        shown.task = task;
        this.#dirty.add(task.id);
      } else this.#admit(task);
    }
  }

  async snapshot(_state: State, wallMs: number): Promise<TopicMessage[]> {
    if (this.#loadedAtMs === Number.NEGATIVE_INFINITY) await this.#load(wallMs);
    const tasks = [...this.#shown.values()].reverse().map((shown) => view(shown));
    return [{ type: 'tasks', key: this.key, snapshot: true, tasks }];
  }

  takeChange(_state: State, wallMs: number): TasksChange | undefined {
    const isShort = this.#hasMore && this.#shown.size <= this.#limit / 2;
    if (isShort && wallMs - this.#loadedAtMs >= REFILL_MS) {
      // A failed read is repeated after the next REFILL_MS.
      this.#load(wallMs).catch(() => {
        this.#hasMore = true;
      });
    }
    if (this.#dirty.size === 0 && this.#gone.size === 0 && this.#omitted === 0) return undefined;
    const tasks = new Map<string, TaskView>();
    for (const id of this.#dirty) {
      const shown = this.#shown.get(id);
      if (shown) tasks.set(id, view(shown));
    }
    const change = { tasks, gone: this.#gone, omitted: this.#omitted };
    this.#dirty = new Set();
    this.#gone = new Set();
    this.#omitted = 0;
    return change;
  }

  merge(earlier: TasksChange, later: TasksChange): TasksChange {
    const tasks = new Map([...earlier.tasks, ...later.tasks]);
    const gone = new Set([...earlier.gone, ...later.gone]);
    for (const id of later.gone) tasks.delete(id);
    for (const id of later.tasks.keys()) gone.delete(id);
    // The oldest beyond the limit were superseded before they were sent.
    let over = tasks.size - this.#limit;
    for (const id of tasks.keys()) if (over-- > 0) tasks.delete(id);
    let forgotten = gone.size - this.#limit * 2;
    for (const id of gone) if (forgotten-- > 0) gone.delete(id);
    return { tasks, gone, omitted: earlier.omitted + later.omitted };
  }

  messages({ tasks, gone, omitted }: TasksChange): TopicMessage[] {
    return [
      {
        type: 'tasks',
        key: this.key,
        tasks: [...tasks.values()],
        ...(gone.size > 0 ? { gone: [...gone] } : {}),
        ...(omitted > 0 ? { omitted } : {}),
      },
    ];
  }

  sizeOf({ tasks }: TasksChange): number {
    return tasks.size;
  }

  #matches(task: { state: TaskView['state']; kind: string; owner: string; worker?: string | null }): boolean {
    const { states, kind, worker } = this.#filter;
    return (
      (this.#owner === undefined || task.owner === this.#owner) &&
      (kind === undefined || task.kind === kind) &&
      (states === undefined || states.includes(task.state)) &&
      (worker === undefined || task.worker === worker)
    );
  }

  #admit(task: Task): void {
    const oldest = this.#seqs[0];
    const isFull = this.#seqs.length >= this.#limit;
    if (isFull && oldest !== undefined && task.seq < oldest) {
      this.#omitted++;
      this.#hasMore = true;
      return;
    }
    this.#insert(task.id, { seq: task.seq, task, view: undefined });
    this.#dirty.add(task.id);
    this.#gone.delete(task.id);
    if (isFull) this.#evict();
  }

  /** The oldest makes room; counted as omitted where it was never sent. */
  #evict(): void {
    const first = this.#shown.entries().next().value;
    if (!first) return;
    const [id, shown] = first;
    if (this.#dirty.has(id)) this.#omitted++;
    this.#hasMore = true;
    this.#drop(id, shown);
  }

  #drop(id: string, { seq, view: sent }: Shown): void {
    this.#shown.delete(id);
    this.#dirty.delete(id);
    const at = this.#seqs.indexOf(seq);
    if (at >= 0) this.#seqs.splice(at, 1);
    if (sent) this.#gone.add(id);
  }

  /** Keeps `#shown` in the order of `seq`: nearly always the new task is the last. */
  #insert(id: string, shown: Shown): void {
    const last = this.#seqs.at(-1);
    this.#shown.set(id, shown);
    if (last === undefined || shown.seq > last) {
      this.#seqs.push(shown.seq);
      return;
    }
    const sorted = [...this.#shown].sort(([, a], [, b]) => a.seq - b.seq);
    this.#shown.clear();
    for (const [key, one] of sorted) this.#shown.set(key, one);
    this.#seqs = sorted.map(([, { seq }]) => seq);
  }

  #load(wallMs: number): Promise<void> {
    this.#loading ??= this.#fill(wallMs).finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #fill(wallMs: number): Promise<void> {
    const { states, kind, worker } = this.#filter;
    const rows: StoredTask[] = await this.#reader.tasks({
      limit: this.#limit,
      ...defined({ owner: this.#owner, states, kind, worker }),
    });
    this.#loadedAtMs = wallMs;
    this.#hasMore = rows.length >= this.#limit;
    for (const { seq, lane, inputBytes, outputBytes, constraints, ...row } of rows) {
      // What was committed while the store was read is newer than its row.
      if (this.#shown.has(row.id) || this.#gone.has(row.id) || this.#seqs.length >= this.#limit) continue;
      this.#insert(row.id, { seq, task: undefined, view: row });
      this.#dirty.add(row.id);
    }
  }
}

/** The view of a shown task, rebuilt if the task changed. */
function view(shown: Shown): TaskView {
  if (shown.task) {
    shown.view = viewOf(shown.task);
    shown.task = undefined;
  }
  return shown.view!;
}

function viewOf(task: Task): TaskView {
  return {
    id: task.id,
    kind: task.kind,
    state: task.state,
    priority: task.priority,
    attempt: task.attempt,
    owner: task.owner,
    submittedAt: task.submittedAt,
    ...(task.worker === null ? {} : { worker: task.worker }),
    ...(task.startedAt === 0 ? {} : { startedAt: task.startedAt }),
    ...(task.endedAt === 0 ? {} : { endedAt: task.endedAt }),
    ...(task.dueAt === 0 ? {} : { dueAt: task.dueAt }),
    ...(task.error === null ? {} : { error: task.error }),
  };
}
