/** The recent history of every worker, in memory and bounded: load samples, tasks that ended, the timeline of its sessions. */
import type { LoadSample } from '@rma/protocol/hardware';
import type { WorkerSamples, WorkerTask } from '@rma/protocol/topic';
import type { Task } from '../core/task.js';
import type { Worker } from '../core/worker.js';
import type { Commit } from './topic.js';

/** Ten minutes, at a sample every 5 s. */
const SAMPLES = 120;
const RECENT_TASKS = 20;
const TIMELINE = 50;
const DEPARTURES_MS = 600_000;
const UNKNOWN_C = -274;
/** Values of a sample: cpu, memory, °C, running; then load, memory and °C of each GPU. */
const FIELDS = 4;
const GPU_FIELDS = 3;
/** GPUs of a worker whose samples are kept. */
const MAX_GPUS = 8;

/** An entry of a worker's timeline. */
export interface TimelineEntry {
  readonly at: number;
  readonly event: string;
  readonly reason?: string;
}

/** A ring of samples in one typed array: ten thousand workers take some tens of megabytes. */
class SampleRing {
  readonly #gpus: readonly number[];
  readonly #width: number;
  readonly #values: Float32Array;
  readonly #at = new Float64Array(SAMPLES);
  #next = 0;
  #length = 0;

  constructor(gpus: readonly number[]) {
    this.#gpus = gpus;
    this.#width = FIELDS + gpus.length * GPU_FIELDS;
    this.#values = new Float32Array(SAMPLES * this.#width);
  }

  fits(load: LoadSample): boolean {
    return load.gpus.slice(0, MAX_GPUS).every(({ index }) => this.#gpus.includes(index));
  }

  push(load: LoadSample, running: number, wallMs: number): void {
    this.#at[this.#next] = wallMs;
    const row = this.#values.subarray(this.#next * this.#width, (this.#next + 1) * this.#width);
    row[0] = load.cpu;
    row[1] = load.memoryUsedMiB;
    row[2] = load.temperatureC ?? UNKNOWN_C;
    row[3] = running;
    this.#gpus.forEach((index, place) => {
      const gpu = load.gpus.find((one) => one.index === index);
      const at = FIELDS + place * GPU_FIELDS;
      row[at] = gpu?.load ?? -1;
      row[at + 1] = gpu?.vramUsedMiB ?? -1;
      row[at + 2] = gpu?.temperatureC ?? UNKNOWN_C;
    });
    this.#next = (this.#next + 1) % SAMPLES;
    this.#length = Math.min(SAMPLES, this.#length + 1);
  }

  /** The samples after a time, the oldest first. */
  read(after: number): WorkerSamples {
    const samples: WorkerSamples = { at: [], cpu: [], memoryMiB: [], celsius: [], running: [], gpus: [] };
    for (const index of this.#gpus) samples.gpus.push({ index, load: [], vramUsedMiB: [], celsius: [] });
    for (let i = 0; i < this.#length; i++) {
      const place = (this.#next - this.#length + i + SAMPLES) % SAMPLES;
      const at = this.#at[place]!;
      if (at <= after) continue;
      const row = this.#values.subarray(place * this.#width, (place + 1) * this.#width);
      samples.at.push(at);
      samples.cpu.push(rounded(row[0]!));
      samples.memoryMiB.push(row[1]!);
      samples.celsius.push(rounded(row[2]!));
      samples.running.push(row[3]!);
      samples.gpus.forEach((gpu, which) => {
        const from = FIELDS + which * GPU_FIELDS;
        gpu.load.push(rounded(row[from]!));
        gpu.vramUsedMiB.push(row[from + 1]!);
        gpu.celsius.push(rounded(row[from + 2]!));
      });
    }
    return samples;
  }
}

/** Float32 turns 0.1 into 0.10000000149. */
const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

interface History {
  samples: SampleRing | undefined;
  load: LoadSample | null;
  readonly recent: WorkerTask[];
  readonly timeline: TimelineEntry[];
}

export class WorkerHistories {
  readonly #histories = new Map<string, History>();

  /** After every commit. */
  observe({ effects, wallMs }: Commit): void {
    for (const worker of effects.loads) this.#sample(worker, wallMs);
    const { persist } = effects;
    for (const task of persist.tasks) if (task.endedAt > 0 && task.worker !== null) this.#ended(task);
    // Attempts that just ended without a result.
    const ended = [...persist.attempts.values()].filter((one) => one.state !== 'gone' && one.endedAt === wallMs);
    if (ended.length > 0) {
      const bySeq = new Map([...persist.tasks].map((task) => [task.seq, task]));
      for (const one of ended) {
        const task = bySeq.get(one.seq);
        // The last attempt is recorded with the task's end.
        if (!task || one.state === 'gone' || one.worker === '' || task.endedAt > 0) continue;
        const { attempt, worker, startedAt, endedAt } = one;
        this.#keep(worker, { task: task.id, kind: task.kind, attempt, startedAt, endedAt, outcome: 'requeued' });
      }
    }
    for (const { type, subject, at, data } of persist.events) {
      if (type === 'worker.forgotten') {
        this.#histories.delete(subject);
        continue;
      }
      if (!type.startsWith('worker.') || type === 'worker.assigned') continue;
      const { timeline } = this.#of(subject);
      const reason = data?.reason;
      timeline.unshift({ at, event: type, ...(typeof reason === 'string' ? { reason } : {}) });
      if (timeline.length > TIMELINE) timeline.pop();
      if (type === 'worker.revoked') this.#histories.get(subject)!.samples = undefined;
    }
  }

  samples(worker: string, after = 0): WorkerSamples {
    const none: WorkerSamples = { at: [], cpu: [], memoryMiB: [], celsius: [], running: [], gpus: [] };
    return this.#histories.get(worker)?.samples?.read(after) ?? none;
  }

  recent(worker: string): readonly WorkerTask[] {
    return this.#histories.get(worker)?.recent ?? [];
  }

  /** Its joins, sessions and admin actions since the coordinator started, the newest first. */
  timeline(worker: string): readonly TimelineEntry[] {
    return this.#histories.get(worker)?.timeline ?? [];
  }

  /** Disconnects of the last ten minutes by worker, without workers that had none. */
  departures(wallMs: number): Map<string, number> {
    const departures = new Map<string, number>();
    for (const [worker, { timeline }] of this.#histories) {
      let times = 0;
      for (const { at, event } of timeline) {
        if (at < wallMs - DEPARTURES_MS) break;
        if (event === 'worker.offline') times++;
      }
      if (times > 0) departures.set(worker, times);
    }
    return departures;
  }

  #of(worker: string): History {
    let history = this.#histories.get(worker);
    if (!history) {
      history = { samples: undefined, load: null, recent: [], timeline: [] };
      this.#histories.set(worker, history);
    }
    return history;
  }

  #sample(worker: Worker, wallMs: number): void {
    const { load } = worker;
    if (load === null) return;
    const history = this.#of(worker.record.id);
    if (history.load === load) return;
    history.load = load;
    if (!history.samples?.fits(load)) {
      history.samples = new SampleRing(load.gpus.slice(0, MAX_GPUS).map(({ index }) => index));
    }
    history.samples.push(load, worker.running, wallMs);
  }

  #ended(task: Task): void {
    this.#keep(task.worker!, {
      task: task.id,
      kind: task.kind,
      attempt: task.attempt,
      startedAt: task.startedAt,
      endedAt: task.endedAt,
      outcome: task.state as 'succeeded' | 'failed' | 'cancelled',
    });
  }

  #keep(worker: string, task: WorkerTask): void {
    const { recent } = this.#of(worker);
    recent.unshift(task);
    if (recent.length > RECENT_TASKS) recent.pop();
  }
}
