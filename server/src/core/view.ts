/** Views of the live state, for queries. Read-only: nothing here changes the state. */

import { TASK_STATES } from '@rma/protocol/task-state';
import type { KindView, WorkerState, WorkerView } from '@rma/protocol/view';
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

export function countWorkers({ index: { counts } }: State): {
  total: number;
  online: number;
  byTier: Record<string, number>;
  byState: Record<string, number>;
} {
  const byTier: Record<string, number> = { '1': 0, '2': 0, '3': 0, none: 0 };
  const byState: Record<string, number> = {};
  for (const [tier, n] of counts.byTier) byTier[tier] = n;
  for (const [name, n] of counts.byState) if (n > 0) byState[name] = n;
  return { total: counts.total, online: counts.online, byTier, byState };
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
  for (const [kind, { queued }] of state.kinds) if (queued > 0) queuedByKind[kind] = queued;
  return { queued: state.queued, running: state.running.size, byState, queuedByKind };
}

/** Every known kind, whoever's tasks wait. No worker, lane or task is visited. */
export function viewKinds(state: State): KindView[] {
  return [...state.knownKinds.keys()].map((kind) => {
    const { queued = 0, running = 0, meanRunMs = 0 } = state.kinds.get(kind) ?? {};
    const workers = state.index.serving(kind);
    return { kind, queued, running, workers, ...(meanRunMs > 0 ? { meanRunMs: Math.round(meanRunMs) } : {}) };
  });
}
