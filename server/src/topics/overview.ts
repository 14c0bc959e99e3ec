/** The topic `overview`: the pool as a whole. Counted once, whoever looks; every role sees the same. */
import type { History, OverviewNow } from '@rma/protocol/topic';
import { queuedIn } from '../core/lane.js';
import type { State } from '../core/state.js';
import { countTasks, countWorkers } from '../core/view.js';
import type { Facts, Signs } from './facts.js';
import { BUCKET_MS, KEPT_BUCKETS, mergeHistories, type PoolHistory } from './history.js';
import type { Topic, TopicMessage } from './topic.js';

/** Kinds in one message. */
const MAX_KINDS = 200;

export interface OverviewSource {
  readonly history: PoolHistory;
  readonly facts: Facts;
  readonly signs: (wallMs: number) => Signs;
  readonly server: { readonly version: string; readonly transport: string; readonly startedAt: number };
  readonly storageBytes: () => number;
}

export interface OverviewChange {
  readonly now: OverviewNow;
  readonly history: History;
}

export class OverviewTopic implements Topic<OverviewChange> {
  readonly key = 'overview';
  readonly #source: OverviewSource;
  #busy = true;
  #takenAtMs = 0;
  #bytes = 0;
  #bytesAtMs = 0;

  constructor(source: OverviewSource) {
    this.#source = source;
  }

  observe(): void {
    this.#busy = true;
  }

  snapshot(state: State, wallMs: number): TopicMessage[] {
    const { history, server } = this.#source;
    return [
      {
        type: 'overview',
        key: this.key,
        snapshot: true,
        now: this.#now(state, wallMs),
        history: history.read(),
        server: { ...server },
      },
    ];
  }

  /** Where nothing happens, once a bucket. */
  takeChange(state: State, wallMs: number): OverviewChange | undefined {
    const passedMs = wallMs - this.#takenAtMs;
    if (!this.#busy && passedMs >= 0 && passedMs < BUCKET_MS) return undefined;
    this.#busy = false;
    this.#takenAtMs = wallMs;
    const buckets = passedMs < 0 ? KEPT_BUCKETS : Math.min(KEPT_BUCKETS, Math.ceil(passedMs / BUCKET_MS) + 1);
    return { now: this.#now(state, wallMs), history: this.#source.history.read(buckets) };
  }

  merge(earlier: OverviewChange, later: OverviewChange): OverviewChange {
    return { now: later.now, history: mergeHistories(earlier.history, later.history) };
  }

  messages({ now, history }: OverviewChange): TopicMessage[] {
    return [{ type: 'overview', key: this.key, now, history }];
  }

  sizeOf(): number {
    return 1;
  }

  #now(state: State, wallMs: number): OverviewNow {
    const { history, facts, signs } = this.#source;
    const { queued, running, byState } = countTasks(state);
    const latencyMs = history.latency();
    const sessions: Record<string, number> = {};
    for (const { role } of state.sessions.values()) sessions[role] = (sessions[role] ?? 0) + 1;
    return {
      at: wallMs,
      workers: countWorkers(state),
      tasks: { queued, running, scheduled: state.scheduled, byState },
      perSecond: history.perSecond(wallMs),
      ...(latencyMs ? { latencyMs } : {}),
      kinds: kindsOf(state),
      facts: facts.judge(state, signs(wallMs), wallMs),
      storage: { state: state.storageFull ? 'full' : 'ok', bytes: this.#storage(wallMs) },
      sessions,
      lastEvent: state.lastEvent,
    };
  }

  /** Asking the file system four times a second would be a lot. */
  #storage(wallMs: number): number {
    if (Math.abs(wallMs - this.#bytesAtMs) >= BUCKET_MS) {
      this.#bytes = this.#source.storageBytes();
      this.#bytesAtMs = wallMs;
    }
    return this.#bytes;
  }
}

function kindsOf(state: State): OverviewNow['kinds'] {
  const workers = new Map<string, number>();
  for (const worker of state.workers.values()) {
    if (worker.session === 0 || worker.record.revokedAt) continue;
    const kinds = new Set<string>();
    for (const { service } of worker.services.values()) {
      if (service.state === 'healthy') for (const kind of service.kinds) kinds.add(kind);
    }
    for (const kind of kinds) workers.set(kind, (workers.get(kind) ?? 0) + 1);
  }
  const running = new Map<string, number>();
  for (const { kind } of state.running) running.set(kind, (running.get(kind) ?? 0) + 1);
  const queued = new Map<string, number>();
  for (const lane of state.lanes.values()) {
    const waits = queuedIn(lane);
    if (waits > 0) queued.set(lane.kind, (queued.get(lane.kind) ?? 0) + waits);
  }
  return [...new Set([...queued.keys(), ...running.keys(), ...workers.keys()])]
    .filter((kind) => state.knownKinds.has(kind))
    .map((kind) => {
      const meanRunMs = state.kinds.get(kind)?.meanRunMs ?? 0;
      return {
        kind,
        queued: queued.get(kind) ?? 0,
        running: running.get(kind) ?? 0,
        workers: workers.get(kind) ?? 0,
        ...(meanRunMs > 0 ? { meanRunMs: Math.round(meanRunMs) } : {}),
      };
    })
    .sort((a, b) => b.queued - a.queued || b.running - a.running || (a.kind < b.kind ? -1 : 1))
    .slice(0, MAX_KINDS);
}
