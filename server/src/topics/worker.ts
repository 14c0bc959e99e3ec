/** The topic `worker`: one worker in detail. */
import type { WorkerSamples, WorkerTask } from '@rma/protocol/topic';
import type { WorkerView } from '@rma/protocol/view';
import type { State } from '../core/state.js';
import { viewWorker } from '../core/view.js';
import type { Worker } from '../core/worker.js';
import type { Seen, Topic, TopicMessage } from './topic.js';
import type { Coming, WorkerPasts } from './worker-past.js';

const MAX_RUNNING = 200;

export interface WorkerChange {
  readonly view?: WorkerView;
  /** From when on the samples are new: they are read when they are sent. */
  readonly samplesAfter?: number;
  readonly running?: WorkerTask[];
  readonly recent?: WorkerTask[];
  readonly sessions?: Coming[];
}

export class WorkerTopic implements Topic<WorkerChange> {
  readonly key: string;
  readonly #id: string;
  readonly #full: boolean;
  readonly #pasts: WorkerPasts;
  #changed = false;
  #load = false;
  #sampledAt = 0;

  /** @param full with what only an admin sees */
  constructor(id: string, full: boolean, pasts: WorkerPasts) {
    this.#id = id;
    this.#full = full;
    this.#pasts = pasts;
    this.key = full ? `worker ${id}` : `worker ${id} public`;
    this.#sampledAt = pasts.samples(id).at.at(-1) ?? 0;
  }

  observe({ effects }: Seen): void {
    for (const worker of effects.workers) if (worker.record.id === this.#id) this.#changed = true;
    if (!this.#load) for (const worker of effects.loads) if (worker.record.id === this.#id) this.#load = true;
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
        samples: this.#pasts.samples(this.#id),
        ...(this.#full ? this.#tasks(worker) : {}),
        sessions: [...this.#pasts.comings(this.#id)],
      },
    ];
  }

  takeChange(state: State, wallMs: number): WorkerChange | undefined {
    const worker = state.workers.get(this.#id);
    if (!worker || (!this.#changed && !this.#load)) return undefined;
    const samplesAfter = this.#sampledAt;
    this.#sampledAt = this.#pasts.samples(this.#id, samplesAfter).at.at(-1) ?? samplesAfter;
    const change: WorkerChange = {
      view: viewWorker(worker, this.#full, wallMs),
      ...(this.#sampledAt > samplesAfter ? { samplesAfter } : {}),
      ...(this.#full ? this.#tasks(worker) : {}),
      ...(this.#changed ? { sessions: [...this.#pasts.comings(this.#id)] } : {}),
    };
    this.#changed = false;
    this.#load = false;
    return change;
  }

  merge(earlier: WorkerChange, later: WorkerChange): WorkerChange {
    const samplesAfter = earlier.samplesAfter ?? later.samplesAfter;
    return { ...earlier, ...later, ...(samplesAfter === undefined ? {} : { samplesAfter }) };
  }

  messages({ samplesAfter, ...change }: WorkerChange): TopicMessage[] {
    const samples: { samples?: WorkerSamples } =
      samplesAfter === undefined ? {} : { samples: this.#pasts.samples(this.#id, samplesAfter) };
    return [{ type: 'worker', key: this.key, ...change, ...samples }];
  }

  sizeOf(): number {
    return 1;
  }

  #tasks(worker: Worker): { running: WorkerTask[]; recent: WorkerTask[] } {
    const running = [...worker.running.values()].slice(-MAX_RUNNING).reverse();
    return {
      running: running.map(({ id, kind, attempt, startedAt }) => ({ task: id, kind, attempt, startedAt })),
      recent: [...this.#pasts.recent(this.#id)],
    };
  }
}
