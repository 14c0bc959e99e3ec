/** The last ten minutes of every worker, in memory, in rings of fixed size: samples, tasks that ended, comings and goings. */
import type { LoadSample } from '@rma/protocol/hardware';
import type { WorkerSamples, WorkerTask } from '@rma/protocol/topic';
import type { Task } from '../core/task.js';
import type { Worker } from '../core/worker.js';
import type { Seen } from './topic.js';

/** A sample comes every 5 s. */
const SAMPLES = 120;
const RECENT_TASKS = 20;
const SESSIONS = 50;
export const PAST_MS = 600_000;
const UNKNOWN_C = -274;
/** cpu, memory, degrees, running; then load, memory and degrees of each GPU. */
const FIELDS = 4;
const GPU_FIELDS = 3;
/** A ring has room for so many GPUs of a worker; the samples of further ones are not kept. */
const MAX_GPUS = 8;

export interface Coming {
  readonly at: number;
  readonly event: string;
  readonly reason?: string;
}

/** A ring of samples: one array of numbers, so that ten thousand workers' fit into some tens of megabytes. */
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

  /** Those after a moment, the oldest first. */
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

/** Single precision makes 0.1 a long number. */
const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

interface Past {
  samples: SampleRing | undefined;
  load: LoadSample | null;
  readonly recent: WorkerTask[];
  readonly comings: Coming[];
}

export class WorkerPasts {
  readonly #pasts = new Map<string, Past>();

  /** After every commit. */
  observe({ effects, wallMs }: Seen): void {
    for (const worker of effects.loads) this.#sample(worker, wallMs);
    const { persist } = effects;
    for (const task of persist.tasks) if (task.endedAt > 0 && task.worker !== null) this.#ended(task);
    if (persist.attempts.length > 0) {
      const bySeq = new Map([...persist.tasks].map((task) => [task.seq, task]));
      for (const { seq, attempt, worker, startedAt, endedAt } of persist.attempts) {
        const task = bySeq.get(seq);
        // Its last attempt is told with the task's end.
        if (!task || worker === '' || task.endedAt > 0) continue;
        this.#keep(worker, { task: task.id, kind: task.kind, attempt, startedAt, endedAt, outcome: 'requeued' });
      }
    }
    for (const { type, subject, at, data } of persist.events) {
      if (!type.startsWith('worker.') || type === 'worker.assigned') continue;
      const { comings } = this.#of(subject);
      const reason = data?.reason;
      comings.unshift({ at, event: type, ...(typeof reason === 'string' ? { reason } : {}) });
      if (comings.length > SESSIONS) comings.pop();
      if (type === 'worker.revoked') this.#pasts.get(subject)!.samples = undefined;
    }
  }

  samples(worker: string, after = 0): WorkerSamples {
    const none: WorkerSamples = { at: [], cpu: [], memoryMiB: [], celsius: [], running: [], gpus: [] };
    return this.#pasts.get(worker)?.samples?.read(after) ?? none;
  }

  recent(worker: string): readonly WorkerTask[] {
    return this.#pasts.get(worker)?.recent ?? [];
  }

  comings(worker: string): readonly Coming[] {
    return this.#pasts.get(worker)?.comings ?? [];
  }

  /** How often each worker went away in the last ten minutes, of those that did. */
  departures(wallMs: number): Map<string, number> {
    const departures = new Map<string, number>();
    for (const [worker, { comings }] of this.#pasts) {
      let times = 0;
      for (const { at, event } of comings) {
        if (at < wallMs - PAST_MS) break;
        if (event === 'worker.offline') times++;
      }
      if (times > 0) departures.set(worker, times);
    }
    return departures;
  }

  #of(worker: string): Past {
    let past = this.#pasts.get(worker);
    if (!past) {
      past = { samples: undefined, load: null, recent: [], comings: [] };
      this.#pasts.set(worker, past);
    }
    return past;
  }

  #sample(worker: Worker, wallMs: number): void {
    const { load } = worker;
    if (load === null) return;
    const past = this.#of(worker.record.id);
    if (past.load === load) return;
    past.load = load;
    if (!past.samples?.fits(load))
      past.samples = new SampleRing(load.gpus.slice(0, MAX_GPUS).map(({ index }) => index));
    past.samples.push(load, worker.running.size, wallMs);
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
