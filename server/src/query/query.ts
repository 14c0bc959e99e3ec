/** Answers queries: from the live state where it is held in memory, from the reader thread where the store is asked. */
import { defined } from '@rma/protocol/defined';
import { ProtocolError } from '@rma/protocol/error';
import { unpackPayload } from '@rma/protocol/payload';
import type { QueryName, QueryOf, QueryReply } from '@rma/protocol/query';
import { DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT_MS, isTerminal } from '@rma/protocol/task';
import type { PlacementView, StatsView, TaskDetail, TaskInput, TaskView } from '@rma/protocol/view';
import type { LogLine } from '@rma/protocol/worker';
import { explainWaiting } from '../core/explain.js';
import { viewCatalog, viewPlacedWorker, viewWorkloads } from '../core/placement/view.js';
import type { State } from '../core/state.js';
import { viewToken } from '../core/token.js';
import { countTasks, countWorkers, viewKinds, viewWorker } from '../core/view.js';
import type { Worker } from '../core/worker.js';
import type { Asker, Reader, Reads, StoredTask } from '../store/reader.js';
import type { QueryTurns } from './query-turns.js';
import { auditEntry, type Viewer, visibleEvent } from './visible.js';

const PAGE = 1_000;
/** Well within a frame of either encoding: JSON is the larger one. */
const PAGE_BYTES = 524_288;
const DEFAULT_TASKS = 50;
const DEFAULT_EVENTS = 200;

export interface QuerySource {
  readonly state: () => State;
  readonly reader: Reader;
  /** When queries begin. */
  readonly turns: QueryTurns;
  readonly wallMs: () => number;
  readonly version: string;
  readonly transport: string;
  readonly uptimeSeconds: () => number;
  readonly storageBytes: () => number;
  /** Requests the log lines from the worker itself. */
  readonly workerLog: (query: QueryOf<'log'>) => Promise<LogLine[]>;
}

type Answer<W extends QueryName> = (
  source: QuerySource,
  viewer: Viewer,
  query: QueryOf<W>,
  reads: Reads,
) => QueryReply<W> | Promise<QueryReply<W>>;

const ANSWERS: { readonly [W in QueryName]: Answer<W> } = {
  stats: statsOf,
  workers: (source, { role }, query) =>
    pageFrom(
      source.state().index.sorted.after(query.after ?? ''),
      (worker) => viewWorker(worker, role === 'admin', source.wallMs()),
      query,
    ),
  kinds: (source, _viewer, query) =>
    pageOf(
      viewKinds(source.state()),
      ({ kind }) => kind,
      (view) => view,
      query,
    ),
  tokens: (source, _viewer, query) => {
    const tokens = [...source.state().tokens.values()].filter(({ role }) => role !== 'worker');
    return pageOf(tokens, ({ id }) => id, viewToken, query);
  },
  placement: placementOf,
  catalog: (source) => viewCatalog(source.state()),
  log: (source, _viewer, query) => source.workerLog(query),
  // Fields are named one by one: what else a peer put into its query must not reach the reader.
  tasks: async (
    _source,
    viewer,
    { state, states, kind, owner: asked, worker, before, limit = DEFAULT_TASKS },
    reads,
  ) => {
    const owner = viewer.role === 'admin' ? asked : viewer.subject;
    const tasks = await reads.tasks({ limit, ...defined({ owner, state, states, kind, worker, before }) });
    return tasks.map(viewOf);
  },
  task: taskDetail,
  input: taskInput,
  events: async (_source, viewer, { since, limit = DEFAULT_EVENTS }, reads) => {
    const { events, last } = await reads.events(since, limit);
    return { events: events.flatMap((event) => visibleEvent(event, viewer) ?? []), last };
  },
  history: async (_source, viewer, { before: from, types, subject, limit = DEFAULT_EVENTS }, reads) => {
    const owner = viewer.role === 'admin' ? undefined : viewer.subject;
    const filter = defined({ before: from, types, subject, owner });
    const { events, before } = await reads.history({ limit, ...filter });
    return { events: events.flatMap((event) => visibleEvent(event, viewer) ?? []), ...defined({ before }) };
  },
  audit: async (_source, _viewer, { limit = DEFAULT_EVENTS, before: from }, reads) => {
    const { events, before } = await reads.history({ audit: true, limit, ...defined({ before: from }) });
    return { entries: events.map(auditEntry), ...defined({ before }) };
  },
};

/**
 * Answers in the asker's turn.
 * @throws ProtocolError of kind `not_found`, `unavailable` or `rate_limited`
 */
export function answerQuery<W extends QueryName>(
  source: QuerySource,
  asker: Asker,
  viewer: Viewer,
  query: QueryOf<W>,
): Promise<QueryReply<W>> {
  const answer: Answer<W> = ANSWERS[query.what];
  return source.turns.ask(asker, () => answer(source, viewer, query, source.reader.as(asker)));
}

/** The views behind `after`, in the order of their ids, until the page is full. An empty page is the end. */
function pageOf<T, V>(
  items: Iterable<T>,
  idOf: (item: T) => string,
  view: (item: T) => V,
  { after = '', limit = PAGE }: { after?: string; limit?: number },
): V[] {
  const rest = [...items].filter((item) => idOf(item) > after).sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  return pageFrom(rest, view, { limit });
}

/** The views of items that are in order and behind `after` already, until the page is full. */
function pageFrom<T, V>(items: Iterable<T>, view: (item: T) => V, { limit = PAGE }: { limit?: number }): V[] {
  const page: V[] = [];
  let bytes = 0;
  for (const item of items) {
    if (page.length >= limit) break;
    const one = view(item);
    bytes += Buffer.byteLength(JSON.stringify(one));
    if (page.length > 0 && bytes > PAGE_BYTES) break;
    page.push(one);
  }
  return page;
}

function placementOf(source: QuerySource, _viewer: Viewer, query: QueryOf<'placement'>): PlacementView {
  const state = source.state();
  return {
    workloads: viewWorkloads(state, source.wallMs()),
    workers: pageFrom(
      keptWorkers(state, query.after),
      (worker) => viewPlacedWorker(state, worker, source.wallMs()),
      query,
    ),
  };
}

function* keptWorkers({ index }: State, after = ''): Generator<Worker> {
  for (const worker of index.sorted.after(after)) if (worker.record.revokedAt === 0) yield worker;
}

/** Another owner's task is answered like one that does not exist. */
function ownedBy<T>(found: T | null, owner: string | undefined, viewer: Viewer, id: string): T {
  if (found !== null && (owner === viewer.subject || viewer.role === 'admin')) return found;
  throw new ProtocolError('not_found', `there is no task ${id}`);
}

async function taskInput(
  _source: QuerySource,
  viewer: Viewer,
  { task: id }: QueryOf<'input'>,
  reads: Reads,
): Promise<TaskInput> {
  const stored = await reads.input(id);
  const { kind, priority, input, blobs, options } = ownedBy(stored, stored?.owner, viewer, id);
  return {
    kind,
    input: unpackPayload(input),
    priority,
    timeoutMs: options?.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxAttempts: options?.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    ...defined({ constraints: options?.constraints }),
    ...(blobs ? { blobs: [...blobs] } : {}),
  };
}

function viewOf(task: StoredTask): TaskView {
  const { seq, lane, inputBytes, outputBytes, constraints, ...view } = task;
  return view;
}

async function taskDetail(
  source: QuerySource,
  viewer: Viewer,
  { task: id }: QueryOf<'task'>,
  reads: Reads,
): Promise<TaskDetail> {
  const stored = await reads.task(id);
  const { task, attempts } = ownedBy(stored, stored?.task.owner, viewer, id);
  const detail: TaskDetail = {
    ...viewOf(task),
    attempts,
    inputBytes: task.inputBytes,
    ...defined({ constraints: task.constraints, outputBytes: task.outputBytes }),
  };
  // The latest attempt has no row of its own before the task is requeued or the attempt superseded.
  const lastStored = attempts.at(-1)?.attempt ?? 0;
  const { state, attempt, startedAt } = task;
  if (attempt > lastStored && startedAt !== undefined && (state === 'running' || isTerminal(state))) {
    const { worker, endedAt, error } = task;
    detail.attempts.push({ attempt, startedAt, ...defined({ worker, endedAt, error }) });
  }
  if (state === 'queued' || state === 'scheduled') {
    detail.waiting = explainWaiting(source.state(), { ...task, state, dueAt: task.dueAt ?? 0 }, source.wallMs());
  }
  return detail;
}

export function statsOf(source: QuerySource): StatsView {
  const state = source.state();
  return {
    version: source.version,
    transport: source.transport,
    uptimeSeconds: source.uptimeSeconds(),
    workers: countWorkers(state),
    tasks: countTasks(state),
    sessions: countSessions(state),
    storage: { state: state.storageFull ? 'full' : 'ok', bytes: source.storageBytes() },
    lastEvent: state.lastEvent,
  };
}

/** Sessions by role. */
export function countSessions({ sessionsByRole }: State): Record<string, number> {
  return Object.fromEntries([...sessionsByRole].filter(([, n]) => n > 0));
}
