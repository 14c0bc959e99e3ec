/** The topic `workers`: all workers, as rows that seldom change and loads that change every few seconds. */
import type { WorkerRow } from '@rma/protocol/topic';
import type { State } from '../core/state.js';
import type { Worker } from '../core/worker.js';
import type { Commit, Topic, TopicMessage } from './topic.js';
import { columnsOf, type Load, loadOf, rowOf } from './worker-rows.js';

const PAGE = 500;

export interface WorkersChange {
  readonly rows: Map<string, WorkerRow>;
  readonly loads: Map<string, Load>;
}

export class WorkersTopic implements Topic<WorkersChange> {
  readonly key: string;
  readonly #full: boolean;
  #rows = new Set<Worker>();
  #loads = new Set<Worker>();

  /** @param full with the fields for admins */
  constructor(full: boolean) {
    this.#full = full;
    this.key = full ? 'workers' : 'workers public';
  }

  observe({ effects }: Commit): void {
    for (const worker of effects.workers) this.#rows.add(worker);
    for (const worker of effects.loads) this.#loads.add(worker);
  }

  snapshot(state: State, wallMs: number): TopicMessage[] {
    const workers = [...state.workers.values()];
    const messages: TopicMessage[] = [];
    for (let from = 0; from === 0 || from < workers.length; from += PAGE) {
      const page = workers.slice(from, from + PAGE);
      messages.push({
        type: 'workers',
        key: this.key,
        ...(from === 0 ? { snapshot: true } : {}),
        ...(from + PAGE < workers.length ? { more: true } : {}),
        rows: page.map((worker) => rowOf(worker, this.#full, wallMs)),
        loads: columnsOf(page.filter(isOnline).map((worker) => [worker.record.id, loadOf(worker)])),
      });
    }
    return messages;
  }

  takeChange(_state: State, wallMs: number): WorkersChange | undefined {
    if (this.#rows.size === 0 && this.#loads.size === 0) return undefined;
    const change: WorkersChange = { rows: new Map(), loads: new Map() };
    for (const worker of this.#rows) {
      change.rows.set(worker.record.id, rowOf(worker, this.#full, wallMs));
      this.#loads.add(worker);
    }
    for (const worker of this.#loads) if (isOnline(worker)) change.loads.set(worker.record.id, loadOf(worker));
    this.#rows = new Set();
    this.#loads = new Set();
    return change.rows.size === 0 && change.loads.size === 0 ? undefined : change;
  }

  merge(earlier: WorkersChange, later: WorkersChange): WorkersChange {
    return { rows: new Map([...earlier.rows, ...later.rows]), loads: new Map([...earlier.loads, ...later.loads]) };
  }

  messages({ rows, loads }: WorkersChange): TopicMessage[] {
    const allRows = [...rows.values()];
    const allLoads = [...loads];
    const messages: TopicMessage[] = [];
    // Rows before loads: a load whose row is unknown has no name.
    for (let from = 0; from < allRows.length; from += PAGE) {
      messages.push({ type: 'workers', key: this.key, rows: allRows.slice(from, from + PAGE) });
    }
    const last = messages.at(-1);
    if (allLoads.length > 0 && allLoads.length <= PAGE && last?.type === 'workers') last.loads = columnsOf(allLoads);
    else if (allLoads.length > 0) {
      for (let from = 0; from < allLoads.length; from += PAGE * 10) {
        const loads = columnsOf(allLoads.slice(from, from + PAGE * 10));
        messages.push({ type: 'workers', key: this.key, rows: [], loads });
      }
    }
    return messages;
  }

  sizeOf({ rows, loads }: WorkersChange): number {
    return rows.size * 4 + loads.size;
  }
}

const isOnline = (worker: Worker): boolean => worker.session !== 0;
