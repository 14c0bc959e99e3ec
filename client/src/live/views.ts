/** The reducers of the live views: each a pure function from the value before and a message to the value after. */
import type { PoolEvent } from '@rma/protocol/event';
import type { TaskState } from '@rma/protocol/task';
import type {
  History,
  OverviewNow,
  TopicMessageOf,
  WorkerLoads,
  WorkerRow,
  WorkerSamples,
  WorkerTask,
} from '@rma/protocol/topic';
import type { JoinInfo, KindView, TaskView, WorkerView } from '@rma/protocol/view';

/** The filter of a live task list: the newest tasks that match every field. */
export interface LiveTaskFilter {
  readonly states?: readonly TaskState[] | undefined;
  readonly kind?: string | undefined;
  /** Admins only. */
  readonly owner?: string | undefined;
  readonly worker?: string | undefined;
  /** 1 to 200, default 100. */
  readonly limit?: number | undefined;
}

export interface LiveOverview {
  readonly now: OverviewNow;
  /** Ten minutes, as columns of equal length, the oldest first. */
  readonly history: History;
  readonly server: { readonly version: string; readonly transport: string; readonly startedAt: number };
}

/** Percent and °C; -1 and -274 where unknown. */
export interface LiveLoad {
  readonly running: number;
  readonly cpu: number;
  readonly memory: number;
  readonly gpu: number;
  readonly celsius: number;
}

export interface LiveWorkers {
  /** By id. The map object stays the same; its entries change. */
  readonly rows: ReadonlyMap<string, WorkerRow>;
  /** By id; no entry for an offline worker. The map object stays the same. */
  readonly loads: ReadonlyMap<string, LiveLoad>;
  /** Ids that this change touched; undefined: all of them. */
  readonly changed: readonly string[] | undefined;
  /** False until the snapshot's last page. */
  readonly complete: boolean;
}

export interface LiveWorker {
  readonly view: WorkerView;
  readonly samples: WorkerSamples;
  readonly running: readonly WorkerTask[];
  readonly recent: readonly WorkerTask[];
  readonly sessions: readonly { readonly at: number; readonly event: string; readonly reason?: string }[];
}

export interface LiveTasks {
  /** The newest first. */
  readonly tasks: readonly TaskView[];
  /** Changes since the last value to tasks that match but are not in the list. */
  readonly omitted: number;
}

/** The filter of the recent events; an event matches all given fields. */
export interface RecentFilter {
  /** Types, or prefixes of types such as `worker.`. */
  readonly types?: readonly string[] | undefined;
  /** The id of a task, worker or token. */
  readonly subject?: string | undefined;
  /** Only events that an actor caused; for admins. */
  readonly audit?: boolean | undefined;
}

export interface LiveRecent {
  /** The newest first, at most {@link KEPT_EVENTS}. */
  readonly events: readonly RecentEvent[];
  /** The events that this change added, the newest first; undefined: all of them. */
  readonly fresh: readonly RecentEvent[] | undefined;
}

/** `omitted`: how many matching events between the previous one and this were left out. */
export interface RecentEvent {
  readonly event: PoolEvent;
  readonly omitted: number;
}

export interface LiveJoin {
  readonly info: JoinInfo;
  readonly workers: readonly WorkerView[];
}

export interface LiveKinds {
  /** By name. */
  readonly kinds: readonly KindView[];
}

const KEPT_MS = 600_000;
export const KEPT_EVENTS = 200;
const COLUMNS = [
  'submitted',
  'succeeded',
  'failed',
  'cancelled',
  'queued',
  'running',
  'online',
  'p50',
  'p95',
  'p99',
] as const;

export function reduceOverview(
  before: LiveOverview | undefined,
  message: TopicMessageOf<'overview'>,
): LiveOverview | undefined {
  if (message.snapshot || !before) {
    if (!message.server) return before;
    return { now: message.now, history: message.history, server: message.server };
  }
  return { ...before, now: message.now, history: mergeHistory(before.history, message.history) };
}

/** Replaces the buckets that `change` holds and drops those older than ten minutes. */
export function mergeHistory(history: History, change: History): History {
  const { bucketMs } = change;
  const at = Math.round((change.from - history.from) / bucketMs);
  if (history.bucketMs !== bucketMs || at < 0 || at > history.submitted.length) return change;
  const merged: History = { ...history };
  const drop = Math.max(0, at + change.submitted.length - Math.ceil(KEPT_MS / bucketMs));
  for (const column of COLUMNS)
    merged[column] = [...history[column].slice(drop, at), ...change[column].slice(Math.max(0, drop - at))];
  merged.from = history.from + drop * bucketMs;
  return merged;
}

export function reduceWorkers(
  before: LiveWorkers | undefined,
  message: TopicMessageOf<'workers'>,
): LiveWorkers | undefined {
  const anew = message.snapshot === true;
  if (!anew && !before) return undefined;
  const rows = anew ? new Map<string, WorkerRow>() : (before!.rows as Map<string, WorkerRow>);
  const loads = anew ? new Map<string, LiveLoad>() : (before!.loads as Map<string, LiveLoad>);
  const changed: string[] = [];
  for (const row of message.rows) {
    rows.set(row.id, row);
    changed.push(row.id);
    if (row.state === 'offline' || row.state === 'revoked' || row.state === 'away') loads.delete(row.id);
  }
  if (message.loads) for (const id of putLoads(loads, message.loads)) changed.push(id);
  const partial = anew || before?.complete === false;
  return { rows, loads, changed: partial ? undefined : changed, complete: partial ? !message.more : true };
}

function putLoads(loads: Map<string, LiveLoad>, columns: WorkerLoads): readonly string[] {
  const { ids, running, cpu, memory, gpu, celsius } = columns;
  for (let i = 0; i < ids.length; i++) {
    loads.set(ids[i]!, {
      running: running[i] ?? 0,
      cpu: cpu[i] ?? -1,
      memory: memory[i] ?? -1,
      gpu: gpu[i] ?? -1,
      celsius: celsius[i] ?? -274,
    });
  }
  return ids;
}

const NO_SAMPLES: WorkerSamples = { at: [], cpu: [], memoryMiB: [], celsius: [], running: [], gpus: [] };

export function reduceWorker(
  before: LiveWorker | undefined,
  message: TopicMessageOf<'worker'>,
): LiveWorker | undefined {
  const base = message.snapshot ? undefined : before;
  const view = message.view ?? base?.view;
  if (!view) return undefined;
  return {
    view,
    samples: addSamples(base?.samples ?? NO_SAMPLES, message.samples),
    running: message.running ?? base?.running ?? [],
    recent: message.recent ?? base?.recent ?? [],
    sessions: message.sessions ?? base?.sessions ?? [],
  };
}

function addSamples(samples: WorkerSamples, more: WorkerSamples | undefined): WorkerSamples {
  if (!more || more.at.length === 0) return samples;
  const last = samples.at.at(-1) ?? 0;
  const fresh = more.at.findIndex((at) => at > last);
  if (fresh < 0) return samples;
  const oldest = more.at.at(-1)! - KEPT_MS;
  const drop = Math.max(
    0,
    samples.at.findIndex((at) => at >= oldest),
  );
  const join = (a: readonly number[], b: readonly number[]) => [...a.slice(drop), ...b.slice(fresh)];
  const indexes = [...new Set([...samples.gpus, ...more.gpus].map(({ index }) => index))];
  const unknown = (length: number, value: number) => new Array<number>(length).fill(value);
  const gpuOf = (of: WorkerSamples, index: number) =>
    of.gpus.find((gpu) => gpu.index === index) ?? {
      index,
      load: unknown(of.at.length, -1),
      vramUsedMiB: unknown(of.at.length, -1),
      celsius: unknown(of.at.length, -274),
    };
  return {
    at: join(samples.at, more.at),
    cpu: join(samples.cpu, more.cpu),
    memoryMiB: join(samples.memoryMiB, more.memoryMiB),
    celsius: join(samples.celsius, more.celsius),
    running: join(samples.running, more.running),
    gpus: indexes.map((index) => {
      const [a, b] = [gpuOf(samples, index), gpuOf(more, index)];
      return {
        index,
        load: join(a.load, b.load),
        vramUsedMiB: join(a.vramUsedMiB, b.vramUsedMiB),
        celsius: join(a.celsius, b.celsius),
      };
    }),
  };
}

export function reduceTasks(before: LiveTasks | undefined, message: TopicMessageOf<'tasks'>): LiveTasks | undefined {
  if (!message.snapshot && !before) return undefined;
  const tasks = new Map((message.snapshot ? [] : before!.tasks).map((task) => [task.id, task]));
  for (const id of message.gone ?? []) tasks.delete(id);
  for (const task of message.tasks) tasks.set(task.id, task);
  const newestFirst = (a: TaskView, b: TaskView) => b.submittedAt - a.submittedAt || (a.id < b.id ? 1 : -1);
  return { tasks: [...tasks.values()].sort(newestFirst), omitted: message.omitted ?? 0 };
}

export function reduceRecent(
  before: LiveRecent | undefined,
  message: TopicMessageOf<'recent'>,
): LiveRecent | undefined {
  if (!message.snapshot && !before) return undefined;
  const known = message.snapshot ? [] : before!.events;
  const last = known[0]?.event.seq ?? 0;
  const fresh: RecentEvent[] = [];
  let { omitted = 0 } = message;
  for (const event of message.events) {
    if (event.seq <= last) continue;
    fresh.unshift({ event, omitted });
    omitted = 0;
  }
  return { events: [...fresh, ...known].slice(0, KEPT_EVENTS), fresh: message.snapshot ? undefined : fresh };
}

export function reduceJoin(before: LiveJoin | undefined, message: TopicMessageOf<'join'>): LiveJoin | undefined {
  const info = message.info ?? before?.info;
  if (!info) return undefined;
  const workers = new Map((message.snapshot ? [] : (before?.workers ?? [])).map((worker) => [worker.id, worker]));
  for (const worker of message.workers) workers.set(worker.id, worker);
  return { info, workers: [...workers.values()].sort((a, b) => a.joinedAt - b.joinedAt) };
}

export function reduceKinds(before: LiveKinds | undefined, message: TopicMessageOf<'kinds'>): LiveKinds | undefined {
  if (!message.snapshot && !before) return undefined;
  const kinds = new Map((message.snapshot ? [] : before!.kinds).map((view) => [view.kind, view]));
  for (const kind of message.gone ?? []) kinds.delete(kind);
  for (const view of message.kinds) kinds.set(view.kind, view);
  return { kinds: [...kinds.values()].sort((a, b) => (a.kind < b.kind ? -1 : 1)) };
}
