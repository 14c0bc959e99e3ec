/** The topic `overview`: the pool as a whole. One view for all subscribers, whatever their role. */
import type { History, OverviewNow } from '@rma/protocol/topic';
import type { State } from '../core/state.js';
import { countTasks, countWorkers, viewKinds } from '../core/view.js';
import { countSessions } from '../query/query.js';
import type { Notices, Signals } from './notices.js';
import { BUCKET_MS, KEPT_BUCKETS, mergeHistories, type PoolHistory } from './pool-history.js';
import type { Topic, TopicMessage } from './topic.js';

/** Kinds in one message. */
const MAX_KINDS = 200;

export interface OverviewSource {
  readonly history: PoolHistory;
  readonly notices: Notices;
  readonly signals: (wallMs: number) => Signals;
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
  /** Something was committed since the last change. */
  #dirty = true;
  #takenAtMs = 0;
  #bytes = 0;
  #bytesAtMs = 0;

  constructor(source: OverviewSource) {
    this.#source = source;
  }

  observe(): void {
    this.#dirty = true;
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

  /** Once a bucket where nothing was committed: its levels and rates move on all the same. */
  takeChange(state: State, wallMs: number): OverviewChange | undefined {
    const passedMs = wallMs - this.#takenAtMs;
    if (!this.#dirty && passedMs >= 0 && passedMs < BUCKET_MS) return undefined;
    this.#dirty = false;
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
    const { history, notices, signals } = this.#source;
    const { queued, running, byState } = countTasks(state);
    const latencyMs = history.latency();
    return {
      at: wallMs,
      workers: countWorkers(state),
      tasks: { queued, running, scheduled: state.scheduled, byState },
      perSecond: history.perSecond(wallMs),
      ...(latencyMs ? { latencyMs } : {}),
      kinds: kindsOf(state),
      facts: notices.evaluate(state, signals(wallMs), wallMs),
      storage: { state: state.storageFull ? 'full' : 'ok', bytes: this.#storage(wallMs) },
      sessions: countSessions(state),
      lastEvent: state.lastEvent,
    };
  }

  /** Cached for a bucket: four `stat` calls a second would cost more than they tell. */
  #storage(wallMs: number): number {
    if (Math.abs(wallMs - this.#bytesAtMs) >= BUCKET_MS) {
      this.#bytes = this.#source.storageBytes();
      this.#bytesAtMs = wallMs;
    }
    return this.#bytes;
  }
}

function kindsOf(state: State): OverviewNow['kinds'] {
  return viewKinds(state)
    .filter(({ queued, running, workers }) => queued > 0 || running > 0 || workers > 0)
    .sort((a, b) => b.queued - a.queued || b.running - a.running || (a.kind < b.kind ? -1 : 1))
    .slice(0, MAX_KINDS);
}
