/** Views of the live state, for queries. Read-only: nothing here changes the state. */

import { TASK_STATES } from '@rma/protocol/task-state';
import type { KindView, WorkerState, WorkerView } from '@rma/protocol/view';
import { queuedIn } from './lane.js';
import type { State } from './state.js';
import { tierOf, type Worker } from './worker.js';

export function stateOf(worker: Worker): WorkerState {
  if (worker.record.revokedAt) return 'revoked';
  if (worker.session === 0) return worker.graceUntilMs ? 'away' : 'offline';
  return worker.leaving || worker.record.draining ? 'draining' : 'online';
}

/** @param full with what only an admin may see */
export function viewWorker(worker: Worker, full: boolean, wallMs: number): WorkerView {
  const { record } = worker;
  return {
    id: record.id,
    name: record.name,
    state: stateOf(worker),
    tier: tierOf(worker),
    pinned: record.pinnedTier !== null,
    reasons: [...record.reasons],
    trust: record.trust,
    labels: record.labels,
    services: [...worker.services.values()].map(({ service }) => service),
    running: worker.running,
    ...(worker.load === null ? {} : { load: worker.load }),
    joinedAt: record.joinedAt,
    lastSeenAt: worker.session === 0 ? record.lastSeenAt : wallMs,
    ...(full
      ? {
          owner: record.owner,
          address: worker.address,
          hardware: record.hardware,
          ...(record.agentVersion === '' ? {} : { agentVersion: record.agentVersion }),
          ...(worker.engine ? { engine: worker.engine } : {}),
          ...(worker.policy ? { policy: worker.policy } : {}),
          ...(record.draining ? { drained: true } : {}),
        }
      : {}),
  };
}

export function countWorkers(state: State): {
  total: number;
  online: number;
  byTier: Record<string, number>;
  byState: Record<string, number>;
} {
  const byTier: Record<string, number> = { '1': 0, '2': 0, '3': 0, none: 0 };
  const byState: Record<string, number> = {};
  let total = 0;
  let online = 0;
  for (const worker of state.workers.values()) {
    const now = stateOf(worker);
    byState[now] = (byState[now] ?? 0) + 1;
    if (now === 'revoked') continue;
    total++;
    if (worker.session === 0) continue;
    online++;
    const tier = String(tierOf(worker) ?? 'none');
    byTier[tier] = (byTier[tier] ?? 0) + 1;
  }
  return { total, online, byTier, byState };
}

export function countTasks(state: State): {
  queued: number;
  running: number;
  byState: Record<string, number>;
  queuedByKind: Record<string, number>;
} {
  const byState: Record<string, number> = {};
  for (const name of TASK_STATES) byState[name] = state.ended.get(name) ?? 0;
  byState.queued = state.queued;
  byState.scheduled = state.scheduled;
  byState.running = state.running.size;
  const queuedByKind: Record<string, number> = {};
  for (const lane of state.lanes.values()) {
    const queued = queuedIn(lane);
    if (queued > 0) queuedByKind[lane.kind] = (queuedByKind[lane.kind] ?? 0) + queued;
  }
  return { queued: state.queued, running: state.running.size, byState, queuedByKind };
}

/** Every known kind, whoever's tasks wait. One pass over workers and lanes: no task is visited. */
export function viewKinds(state: State): KindView[] {
  const workers = new Map<string, number>();
  for (const worker of state.workers.values()) {
    if (worker.session === 0 || worker.record.revokedAt) continue;
    const kinds = new Set<string>();
    for (const { service } of worker.services.values()) {
      if (service.state === 'healthy') for (const kind of service.kinds) kinds.add(kind);
    }
    for (const kind of kinds) workers.set(kind, (workers.get(kind) ?? 0) + 1);
  }
  return [...state.knownKinds.keys()].map((kind) => {
    const found = state.kinds.get(kind);
    let queued = 0;
    for (const lane of found?.lanes ?? []) queued += queuedIn(lane);
    const meanRunMs = found?.meanRunMs ?? 0;
    return {
      kind,
      queued,
      running: found?.running ?? 0,
      workers: workers.get(kind) ?? 0,
      ...(meanRunMs > 0 ? { meanRunMs: Math.round(meanRunMs) } : {}),
    };
  });
}
