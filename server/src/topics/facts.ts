/** What an admin should know of the pool as it is now, in plain words. A fact is gone once it is over. */
import type { Fact } from '@rma/protocol/topic';
import { headOf, queuedIn } from '../core/lane.js';
import type { State } from '../core/state.js';
import { tierOf } from '../core/worker.js';

const OLD_QUEUE_MS = 60_000;
/** Shares and numbers of failures, over the last minute, that are worth a word. */
const FAILURES_SHARE = 0.2;
const FAILURES_LEAST = 5;
const FLAPPING_TIMES = 4;
const MAX_FACTS = 50;
const TIER_WORK = { 1: 'LLM inference and vision', 2: 'documents, OCR and text', 3: 'data services' } as const;

type Found = Omit<Fact, 'since'>;

/** What the facts are judged by, beside the state. */
export interface Signs {
  /** Of the last minute. */
  readonly outcomes: { readonly succeeded: number; readonly failed: number };
  /** How often each worker went away in the last ten minutes, of those that did. */
  readonly departures: ReadonlyMap<string, number>;
}

export class Facts {
  readonly #since = new Map<string, number>();

  judge(state: State, signs: Signs, wallMs: number): Fact[] {
    // While nothing can be written workers are kept out: whatever else there is to tell would follow from that.
    const found = state.readOnly
      ? storage(state)
      : [...storage(state), ...tiers(state), ...kinds(state, wallMs), ...failures(signs), ...flapping(state, signs)];
    const facts = found.slice(0, MAX_FACTS).map((fact): Fact => {
      const name = `${fact.fact} ${fact.subject ?? ''}`;
      const since = this.#since.get(name) ?? wallMs;
      this.#since.set(name, since);
      return { ...fact, since };
    });
    const now = new Set(facts.map(({ fact, subject }) => `${fact} ${subject ?? ''}`));
    for (const name of this.#since.keys()) if (!now.has(name)) this.#since.delete(name);
    const weight = { critical: 0, warning: 1, info: 2 };
    return facts.sort((a, b) => weight[a.severity] - weight[b.severity] || a.since - b.since);
  }
}

function storage(state: State): Found[] {
  if (!state.storageFull) return [];
  const what = state.readOnly
    ? 'new tasks are refused, workers are kept out'
    : 'new tasks are refused, results still fit';
  const text = `The disk of the coordinator is full: ${what}. Free some room.`;
  return [{ fact: 'storage.full', severity: 'critical', text }];
}

function tiers(state: State): Found[] {
  const known = new Map<number, number>();
  const healthy = new Set<number>();
  for (const worker of state.workers.values()) {
    const tier = tierOf(worker);
    if (worker.record.revokedAt || tier === null) continue;
    known.set(tier, (known.get(tier) ?? 0) + 1);
    if (worker.session === 0) continue;
    for (const { service } of worker.services.values()) if (service.state === 'healthy') healthy.add(tier);
  }
  return ([1, 2, 3] as const).flatMap((tier): Found[] => {
    const workers = known.get(tier);
    if (workers === undefined || healthy.has(tier)) return [];
    const text = `Tier ${tier} (${TIER_WORK[tier]}) has no worker with a healthy service; ${workers} of that tier ${workers === 1 ? 'is' : 'are'} known. See why on the page of workers.`;
    return [{ fact: 'tier.unserved', severity: 'critical', subject: String(tier), text }];
  });
}

function kinds(state: State, wallMs: number): Found[] {
  const found: Found[] = [];
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
      const text = `${waits} ${queued === 1 ? 'waits' : 'wait'}, and no worker that is here serves it. Add or repair a worker that does.`;
      found.push({ fact: 'kind.unserved', severity: 'warning', subject: kind, text });
    } else if (wallMs - oldest > OLD_QUEUE_MS) {
      const text = `${waits} ${queued === 1 ? 'waits' : 'wait'}, the first for ${Math.round((wallMs - oldest) / 1_000)} s. More workers for it would help.`;
      found.push({ fact: 'queue.old', severity: 'info', subject: kind, text });
    }
  }
  return found;
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

function failures({ outcomes: { succeeded, failed } }: Signs): Found[] {
  if (failed < FAILURES_LEAST || failed < FAILURES_SHARE * (failed + succeeded)) return [];
  const share = Math.round((failed / (failed + succeeded)) * 100);
  const text = `${failed} of ${failed + succeeded} tasks that ended in the last minute failed (${share} %). The list of failed tasks says why.`;
  return [{ fact: 'failures.high', severity: 'warning', text }];
}

function flapping(state: State, { departures }: Signs): Found[] {
  const found: Found[] = [];
  for (const [id, times] of departures) {
    const worker = state.workers.get(id);
    if (times < FLAPPING_TIMES || !worker || worker.record.revokedAt) continue;
    const text = `${worker.record.name} lost its connection ${times} times in ten minutes. Its network, or its agent's log, may tell why.`;
    found.push({ fact: 'worker.flapping', severity: 'warning', subject: id, text });
  }
  return found;
}
