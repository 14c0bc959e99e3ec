/** Notices: conditions of the pool that need an admin's attention, for as long as they hold. */
import type { Notice } from '@rma/protocol/topic';
import { headOf, queuedIn } from '../core/lane.js';
import type { State } from '../core/state.js';
import { tierOf } from '../core/worker.js';

const OLD_QUEUE_MS = 60_000;
/** Failures of the last minute are high at failed >= FAILURES_LEAST and failed / ended >= FAILURES_SHARE. */
const FAILURES_SHARE = 0.2;
const FAILURES_LEAST = 5;
/** Disconnects within ten minutes from which a worker is flapping. */
const FLAPPING_TIMES = 4;
const MAX_NOTICES = 50;
const TIER_WORK = { 1: 'LLM inference and vision', 2: 'documents, OCR and text', 3: 'data services' } as const;

type Condition = Omit<Notice, 'since'>;

/** What notices are derived from, beside the state. */
export interface Signals {
  /** Tasks that ended in the last minute. */
  readonly outcomes: { readonly succeeded: number; readonly failed: number };
  /** Disconnects of the last ten minutes by worker, without workers that had none. */
  readonly departures: ReadonlyMap<string, number>;
}

export class Notices {
  /** When each current notice began to hold, by type and subject. */
  readonly #since = new Map<string, number>();

  /** The notices that hold now, the most severe and then the oldest first. */
  evaluate(state: State, signals: Signals, wallMs: number): Notice[] {
    // In read-only mode workers are kept out: every other condition would be a consequence of that.
    const conditions = state.readOnly
      ? storage(state)
      : [
          ...storage(state),
          ...tiers(state),
          ...kinds(state, wallMs),
          ...failures(signals),
          ...flapping(state, signals),
        ];
    const current = new Set<string>();
    const notices = conditions.slice(0, MAX_NOTICES).map((condition): Notice => {
      const key = `${condition.fact} ${condition.subject ?? ''}`;
      const since = this.#since.get(key) ?? wallMs;
      this.#since.set(key, since);
      current.add(key);
      return { ...condition, since };
    });
    for (const key of this.#since.keys()) if (!current.has(key)) this.#since.delete(key);
    const weight = { critical: 0, warning: 1, info: 2 };
    return notices.sort((a, b) => weight[a.severity] - weight[b.severity] || a.since - b.since);
  }
}

function storage(state: State): Condition[] {
  if (!state.storageFull) return [];
  const what = state.readOnly
    ? 'new tasks are refused, workers are kept out'
    : 'new tasks are refused, results still fit';
  const text = `The disk of the coordinator is full: ${what}. Free some room.`;
  return [{ fact: 'storage.full', severity: 'critical', text }];
}

function tiers(state: State): Condition[] {
  const known = new Map<number, number>();
  const healthy = new Set<number>();
  for (const worker of state.workers.values()) {
    const tier = tierOf(worker);
    if (worker.record.revokedAt || tier === null) continue;
    known.set(tier, (known.get(tier) ?? 0) + 1);
    if (worker.session === 0) continue;
    for (const { service } of worker.services.values()) if (service.state === 'healthy') healthy.add(tier);
  }
  return ([1, 2, 3] as const).flatMap((tier): Condition[] => {
    const workers = known.get(tier);
    if (workers === undefined || healthy.has(tier)) return [];
    const text = `Tier ${tier} (${TIER_WORK[tier]}) has no worker with a healthy service; ${workers} of that tier ${workers === 1 ? 'is' : 'are'} known. The page of workers says why.`;
    return [{ fact: 'tier.unserved', severity: 'critical', subject: String(tier), text }];
  });
}

function kinds(state: State, wallMs: number): Condition[] {
  const conditions: Condition[] = [];
  for (const [kind, { lanes }] of state.kinds) {
    let queued = 0;
    let oldest = wallMs;
    for (const lane of lanes) {
      queued += queuedIn(lane);
      const head = headOf(lane);
      if (head && head.submittedAt < oldest) oldest = head.submittedAt;
    }
    if (queued === 0) continue;
    const served = isServed(state, kind);
    const waits = `${queued} ${queued === 1 ? 'task' : 'tasks'} of the kind ${kind}`;
    if (!served) {
      const text = `${waits} ${queued === 1 ? 'waits' : 'wait'}, and no online worker serves it. Add or repair a worker that does.`;
      conditions.push({ fact: 'kind.unserved', severity: 'warning', subject: kind, text });
    } else if (wallMs - oldest > OLD_QUEUE_MS) {
      const text = `${waits} ${queued === 1 ? 'waits' : 'wait'}, the first for ${Math.round((wallMs - oldest) / 1_000)} s. More workers for it would help.`;
      conditions.push({ fact: 'queue.old', severity: 'info', subject: kind, text });
    }
  }
  return conditions;
}

function isServed(state: State, kind: string): boolean {
  for (const id of state.knownKinds.get(kind) ?? []) {
    const worker = state.workers.get(id);
    if (!worker || worker.session === 0) continue;
    for (const { service } of worker.services.values()) {
      if (service.state === 'healthy' && service.kinds.includes(kind)) return true;
    }
  }
  return false;
}

function failures({ outcomes: { succeeded, failed } }: Signals): Condition[] {
  if (failed < FAILURES_LEAST || failed < FAILURES_SHARE * (failed + succeeded)) return [];
  const share = Math.round((failed / (failed + succeeded)) * 100);
  const text = `${failed} of ${failed + succeeded} tasks that ended in the last minute failed (${share} %). The list of failed tasks says why.`;
  return [{ fact: 'failures.high', severity: 'warning', text }];
}

function flapping(state: State, { departures }: Signals): Condition[] {
  const conditions: Condition[] = [];
  for (const [id, times] of departures) {
    const worker = state.workers.get(id);
    if (times < FLAPPING_TIMES || !worker || worker.record.revokedAt) continue;
    const text = `${worker.record.name} lost its connection ${times} times in ten minutes. Its network, or its agent's log, may say why.`;
    conditions.push({ fact: 'worker.flapping', severity: 'warning', subject: id, text });
  }
  return conditions;
}
