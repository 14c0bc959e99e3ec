/** The topic `worker`: one worker in detail. */
import type { WorkerSamples, WorkerTask } from '@rma/protocol/topic';
import type { WorkerView } from '@rma/protocol/view';
import type { State } from '../core/state.js';
import { viewWorker } from '../core/view.js';
import type { Worker } from '../core/worker.js';
import type { Commit, Topic, TopicMessage } from './topic.js';
import type { TimelineEntry, WorkerHistories } from './worker-history.js';

const MAX_RUNNING = 200;

export interface WorkerChange {
  readonly view?: WorkerView;
  /** Samples after this time are new; they are read from the ring only when the change is sent. */
  readonly samplesAfter?: number;
  readonly running?: WorkerTask[];
  readonly recent?: WorkerTask[];
  readonly sessions?: TimelineEntry[];
}

export class WorkerTopic implements Topic<WorkerChange> {
  readonly key: string;
  readonly #id: string;
  readonly #full: boolean;
  readonly #histories: WorkerHistories;
  #viewDirty = false;
  #loadDirty = false;
  #sampledAt = 0;

  /** @param full with the fields for admins */
  constructor(id: string, full: boolean, histories: WorkerHistories) {
    this.#id = id;
    this.#full = full;
    this.#histories = histories;
    this.key = full ? `worker ${id}` : `worker ${id} public`;
    this.#sampledAt = histories.samples(id).at.at(-1) ?? 0;
  }

  observe({ effects }: Commit): void {
    for (const worker of effects.workers) if (worker.record.id === this.#id) this.#viewDirty = true;
    if (!this.#loadDirty) for (const worker of effects.loads) if (worker.record.id === this.#id) this.#loadDirty = true;
  }

  snapshot(state: State, wallMs: number): TopicMessage[] {
    const worker = state.workers.get(this.#id);
    if (!worker) return [];
    return [
      {
        type: 'worker',
        key: this.key,
        snapshot: true,
        view: viewWorker(worker, this.#full, wallMs),
        samples: this.#histories.samples(this.#id),
        ...(this.#full ? this.#tasks(worker) : {}),
        sessions: [...this.#histories.timeline(this.#id)],
      },
    ];
  }

  takeChange(state: State, wallMs: number): WorkerChange | undefined {
    const worker = state.workers.get(this.#id);
    if (!worker || (!this.#viewDirty && !this.#loadDirty)) return undefined;
    const samplesAfter = this.#sampledAt;
    this.#sampledAt = this.#histories.samples(this.#id, samplesAfter).at.at(-1) ?? samplesAfter;
    const change: WorkerChange = {
      view: viewWorker(worker, this.#full, wallMs),
      ...(this.#sampledAt > samplesAfter ? { samplesAfter } : {}),
      ...(this.#full ? this.#tasks(worker) : {}),
      ...(this.#viewDirty ? { sessions: [...this.#histories.timeline(this.#id)] } : {}),
    };
    this.#viewDirty = false;
    this.#loadDirty = false;
    return change;
  }

  merge(earlier: WorkerChange, later: WorkerChange): WorkerChange {
    const samplesAfter = earlier.samplesAfter ?? later.samplesAfter;
    return { ...earlier, ...later, ...(samplesAfter === undefined ? {} : { samplesAfter }) };
  }

  messages({ samplesAfter, ...change }: WorkerChange): TopicMessage[] {
    const samples: { samples?: WorkerSamples } =
      samplesAfter === undefined ? {} : { samples: this.#histories.samples(this.#id, samplesAfter) };
    return [{ type: 'worker', key: this.key, ...change, ...samples }];
  }

  sizeOf(): number {
    return 1;
  }

  #tasks(worker: Worker): { running: WorkerTask[]; recent: WorkerTask[] } {
    const running = [...worker.attempts.values()].filter(({ state }) => state === 'running');
    const latest = running.slice(-MAX_RUNNING).reverse();
    return {
      running: latest.map(({ task, kind, attempt, startedAt }) => ({ task, kind, attempt, startedAt })),
      recent: [...this.#histories.recent(this.#id)],
    };
  }
}
