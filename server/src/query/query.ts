/** Answers queries: from the live state where it knows, from the read-only thread where the past is asked for. */
import { ProtocolError } from '@rma/protocol/error';
import { unpackPayload } from '@rma/protocol/payload';
import { DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT_MS, isTerminal, type TaskState } from '@rma/protocol/task';
import type { Query } from '@rma/protocol/up';
import type {
  AuditPage,
  EventPage,
  PlacementView,
  StatsView,
  TaskDetail,
  TaskInput,
  TaskView,
} from '@rma/protocol/view';
import { explainWaiting } from '../core/explain.js';
import { viewCatalog, viewPlacedWorker, viewWorkloads } from '../core/placement/view.js';
import type { State } from '../core/state.js';
import { viewToken } from '../core/token.js';
import { countTasks, countWorkers, viewWorker } from '../core/view.js';
import type { Reader, StoredTask } from '../store/reader.js';
import { pageOf } from './page.js';
import { auditEntry, visibleEvent } from './visible.js';

export interface QuerySource {
  readonly state: () => State;
  readonly reader: Reader;
  readonly wallMs: () => number;
  readonly version: string;
  readonly transport: string;
  readonly uptimeSeconds: () => number;
  readonly storageBytes: () => number;
}

export interface Asker {
  readonly role: string;
  readonly subject: string;
}

/** @throws ProtocolError of kind `not_found` or `unavailable` */
export async function answerQuery(
  source: QuerySource,
  asker: Asker,
  query: Exclude<Query, { what: 'log' }>,
): Promise<unknown> {
  const admin = asker.role === 'admin';
  switch (query.what) {
    case 'stats':
      return statsOf(source);
    case 'workers':
      return pageOf(
        source.state().workers.values(),
        ({ record }) => record.id,
        (worker) => viewWorker(worker, admin, source.wallMs()),
        query,
      );
    case 'tokens': {
      const tokens = [...source.state().tokens.values()].filter(({ role }) => role !== 'worker');
      return pageOf(tokens, ({ id }) => id, viewToken, query);
    }
    case 'placement':
      return placementOf(source, query);
    case 'catalog':
      return viewCatalog(source.state());
    case 'tasks': {
      const rows = await source.reader.tasks({
        limit: query.limit ?? 50,
        ...(admin ? (query.owner === undefined ? {} : { owner: query.owner }) : { owner: asker.subject }),
        ...(query.state === undefined ? {} : { state: query.state }),
        ...(query.states === undefined ? {} : { states: query.states }),
        ...(query.worker === undefined ? {} : { worker: query.worker }),
        ...(query.kind === undefined ? {} : { kind: query.kind }),
        ...(query.before === undefined ? {} : { before: query.before }),
      });
      return rows.map(viewOf);
    }
    case 'task':
      return taskDetail(source, asker, query.task);
    case 'history': {
      const { events, before } = await source.reader.history({
        limit: query.limit ?? 200,
        ...(query.before === undefined ? {} : { before: query.before }),
        ...(query.types === undefined ? {} : { types: query.types }),
        ...(query.subject === undefined ? {} : { subject: query.subject }),
        ...(admin ? {} : { owner: asker.subject }),
      });
      return {
        events: events.flatMap((event) => visibleEvent(event, asker) ?? []),
        ...(before === undefined ? {} : { before }),
      } satisfies EventPage;
    }
    case 'audit': {
      const { events, before } = await source.reader.history({
        audit: true,
        limit: query.limit ?? 200,
        ...(query.before === undefined ? {} : { before: query.before }),
      });
      return { entries: events.map(auditEntry), ...(before === undefined ? {} : { before }) } satisfies AuditPage;
    }
    case 'input':
      return taskInput(source, asker, query.task);
    case 'events': {
      const page = await source.reader.events(query.since, query.limit ?? 200);
      const events = page.events.flatMap((event) => visibleEvent(event, asker) ?? []);
      return { events, last: page.last };
    }
  }
}

function placementOf(source: QuerySource, query: Extract<Query, { what: 'placement' }>): PlacementView {
  const state = source.state();
  const workers = [...state.workers.values()].filter(({ record }) => record.revokedAt === 0);
  return {
    workloads: viewWorkloads(state, source.wallMs()),
    workers: pageOf(
      workers,
      ({ record }) => record.id,
      (worker) => viewPlacedWorker(state, worker, source.wallMs()),
      query,
    ),
  };
}

async function taskInput(source: QuerySource, asker: Asker, id: string): Promise<TaskInput> {
  const found = await source.reader.input(id);
  if (!found || (found.owner !== asker.subject && asker.role !== 'admin')) {
    throw new ProtocolError('not_found', `there is no task ${id}`);
  }
  const { kind, priority, input, blobs, options } = found;
  return {
    kind,
    input: unpackPayload(input),
    priority,
    timeoutMs: options?.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxAttempts: options?.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    ...(options?.constraints ? { constraints: options.constraints } : {}),
    ...(blobs ? { blobs: [...blobs] } : {}),
  };
}

function viewOf(task: StoredTask): TaskView {
  const { seq, lane, inputBytes, outputBytes, constraints, ...view } = task;
  return view;
}

async function taskDetail(source: QuerySource, asker: Asker, id: string): Promise<TaskDetail> {
  const found = await source.reader.task(id);
  if (!found || (found.task.owner !== asker.subject && asker.role !== 'admin')) {
    throw new ProtocolError('not_found', `there is no task ${id}`);
  }
  const { task, attempts } = found;
  const detail: TaskDetail = { ...viewOf(task), attempts, inputBytes: task.inputBytes };
  if (task.constraints) detail.constraints = task.constraints;
  if (task.outputBytes !== undefined) detail.outputBytes = task.outputBytes;
  const last = attempts[attempts.length - 1]?.attempt ?? 0;
  if (task.attempt > last && task.startedAt !== undefined && (task.state === 'running' || isTerminal(task.state))) {
    detail.attempts.push({
      attempt: task.attempt,
      startedAt: task.startedAt,
      ...(task.worker === undefined ? {} : { worker: task.worker }),
      ...(task.endedAt === undefined ? {} : { endedAt: task.endedAt }),
      ...(task.error === undefined ? {} : { error: task.error }),
    });
  }
  const waits = (state: TaskState): state is 'queued' | 'scheduled' => state === 'queued' || state === 'scheduled';
  if (waits(task.state)) {
    detail.waiting = explainWaiting(
      source.state(),
      { ...task, state: task.state, dueAt: task.dueAt ?? 0 },
      source.wallMs(),
    );
  }
  return detail;
}

export function statsOf(source: QuerySource): StatsView {
  const state = source.state();
  const sessions: Record<string, number> = {};
  for (const { role } of state.sessions.values()) sessions[role] = (sessions[role] ?? 0) + 1;
  return {
    version: source.version,
    transport: source.transport,
    uptimeSeconds: source.uptimeSeconds(),
    workers: countWorkers(state),
    tasks: countTasks(state),
    sessions,
    storage: { state: state.storageFull ? 'full' : 'ok', bytes: source.storageBytes() },
    lastEvent: state.lastEvent,
  };
}
