/**
 * The contract of PROTOCOL.md as a model beside the core: what was submitted, dispatched, made, acknowledged and ended. It
 * sees only what peers send, what is stored and what is sent.
 */
import { isTerminal, MAX_LOST } from '@rma/protocol/task';
import type { Outgoing } from '@rma/server/core/effects';
import { compareTasks, type Task } from '@rma/server/core/task';
import type { ModelStore } from './model-store.js';
import type { Judge } from './rules.js';
import type { VirtualWorker } from './virtual-worker.js';

export const keyOf = (task: string, attempt: number): string => `${task}#${attempt}`;

interface TaskModel {
  readonly id: string;
  readonly owner: string;
  accepted: boolean;
  hasEnded: boolean;
  /** The latest attempt whose dispatch was sent, and to whom. What a crash kept from being sent leaves a gap. */
  attempt: number;
  worker: VirtualWorker | undefined;
  /** Workers where an attempt failed or was refused. */
  readonly failedOn: VirtualWorker[];
}

export interface ContractPorts {
  readonly store: ModelStore;
  readonly judge: Judge;
  /** A worker beside this one that could take the task at once. */
  readonly idleBeside: (row: Task, worker: VirtualWorker) => VirtualWorker | undefined;
  readonly onEnded: (row: Task) => void;
}

const newModel = (id: string, owner: string): TaskModel => ({
  id,
  owner,
  accepted: false,
  hasEnded: false,
  attempt: 0,
  worker: undefined,
  failedOn: [],
});

export class Contract {
  readonly #ports: ContractPorts;
  readonly #tasks = new Map<string, TaskModel>();
  /** Outputs that were made and have not counted so far: attempt key to the worker's id. */
  readonly #made = new Map<string, string>();
  /** Open tasks that were accepted. */
  #open = 0;

  constructor(ports: ContractPorts) {
    this.#ports = ports;
    ports.store.onRow = (before, after) => this.#rowChanged(before, after);
  }

  /** Every task that was ever submitted. */
  get count(): number {
    return this.#tasks.size;
  }

  /** Accepted tasks that have not ended. */
  get open(): number {
    return this.#open;
  }

  submitted(id: string, owner: string): void {
    if (this.#tasks.has(id)) return;
    this.#tasks.set(id, newModel(id, owner));
  }

  /** A worker made an output. */
  made(task: string, attempt: number, worker: string): void {
    this.#made.set(keyOf(task, attempt), worker);
  }

  /** An attempt of a task failed, or was refused, on a worker. */
  failed(task: string, worker: VirtualWorker): void {
    this.#tasks.get(task)?.failedOn.push(worker);
  }

  hasFailedOn(task: string, worker: VirtualWorker): boolean {
    return this.#tasks.get(task)?.failedOn.includes(worker) ?? false;
  }

  #rowChanged(before: Task | undefined, after: Task): void {
    const { judge } = this.#ports;
    let model = this.#tasks.get(after.id);
    if (!model) throw new Error(`task ${after.id} is stored, and was never submitted`);
    if (!before) {
      if (model.hasEnded) {
        judge.broken('runs again after pruning', `${after.id} is queued anew`);
        model = newModel(after.id, model.owner);
        this.#tasks.set(after.id, model);
      }
      this.#open++;
    } else if (isTerminal(before.state)) {
      judge.broken('end changed', `${after.id} was ${before.state} and is ${after.state}`);
    } else if (after.lost > before.lost) this.#lost(before);
    if (!isTerminal(after.state)) return;
    this.#open--;
    model.hasEnded = true;
    this.#ports.onEnded(after);
    const key = keyOf(after.id, after.attempt);
    if (after.state === 'succeeded') {
      const maker = this.#made.get(key);
      if (maker !== after.worker) judge.broken('foreign result', `${key} of ${after.worker} was made by ${maker}`);
    }
    this.#made.delete(key);
    if (after.error?.code === 'poison' && after.attempt < MAX_LOST) {
      judge.broken('poison without losses', `${after.id} had ${after.attempt} attempts`);
    }
  }

  /** The worker of an attempt may be gone; one that goes on with it, and had no fault of its own, was not lost. */
  #lost({ id, attempt, worker }: Task): void {
    const model = this.#tasks.get(id);
    const its = model?.worker;
    if (!its || its.id !== worker || !its.isRunning(id, attempt) || its.wasAtFault()) return;
    this.#ports.judge.broken('lost on the way', `${keyOf(id, attempt)} runs on ${worker}, which was never away itself`);
  }

  /** What one turn sends to one session, after its commit. */
  sent(worker: VirtualWorker | undefined, outgoing: Outgoing): void {
    if (worker && outgoing.welcome?.worker) worker.id = outgoing.welcome.worker.id;
    for (const id of outgoing.accepted) this.#accepted(id);
    for (const { task, attempt } of outgoing.acknowledgedResults) this.#acknowledged(worker, task, attempt);
    for (const { task, attempt } of outgoing.dispatches) this.#dispatched(worker, task, attempt);
    for (const { task, attempt, reason } of outgoing.stops) {
      if (reason === 'timeout' && worker?.wasToResend(task, attempt)) {
        this.#ports.judge.broken('resent and timed out', keyOf(task, attempt));
      }
    }
    for (const { task, state } of outgoing.ended) {
      const row = this.#ports.store.byId.get(task);
      if (row && row.state !== state)
        this.#ports.judge.broken('end told wrongly', `${task} is ${row.state}, not ${state}`);
    }
  }

  #accepted(id: string): void {
    const model = this.#tasks.get(id);
    if (!model || !this.#ports.store.byId.has(id)) this.#ports.judge.broken('accepted before the commit', id);
    else model.accepted = true;
  }

  #acknowledged(worker: VirtualWorker | undefined, task: string, attempt: number): void {
    const row = this.#ports.store.byId.get(task);
    const stillRuns = row?.state === 'running' && row.attempt === attempt && row.worker === worker?.id;
    if (stillRuns && worker?.outbox.has(keyOf(task, attempt))) {
      this.#ports.judge.broken('acknowledged before the commit', keyOf(task, attempt));
    }
  }

  #dispatched(worker: VirtualWorker | undefined, task: string, attempt: number): void {
    const { store, judge } = this.#ports;
    const key = keyOf(task, attempt);
    const model = this.#tasks.get(task);
    const row = store.byId.get(task);
    if (!model || attempt <= model.attempt) judge.broken('attempt dispatched twice', `${key} after ${model?.attempt}`);
    if (!model || row?.state !== 'running' || row.attempt !== attempt || !worker || row.worker !== worker.id) {
      judge.broken('dispatch before the commit', `${key} to ${worker?.id} is ${row?.state} on ${row?.worker}`);
      return;
    }
    model.attempt = attempt;
    model.worker = worker;
    const fault = worker.mayNotGet(row);
    if (fault) judge.broken('dispatch to the wrong worker', `${key} to ${worker.id}, which ${fault}`);
    const waiting = this.#firstFor(worker, row.lane, row);
    if (waiting) {
      judge.broken('priority inverted', `${row.id} of ${row.priority} before ${waiting.id} of ${waiting.priority}`);
    }
    this.#checkLanes(row, worker);
    if (model.failedOn.includes(worker)) {
      const idle = this.#ports.idleBeside(row, worker);
      if (idle) judge.broken('sink-hole', `${key} goes to ${worker.id}, where it failed, beside the idle ${idle.id}`);
    }
  }

  /** The best queued task of a lane that comes before this one and need not spare the worker, having failed there. */
  #firstFor(worker: VirtualWorker, lane: number, before: Task): Task | undefined {
    const { store } = this.#ports;
    for (const row of store.lanes.get(lane)?.rows ?? []) {
      if (compareTasks(row, before) >= 0) return undefined;
      if (!store.triedOn(row).includes(worker.id)) return row;
    }
    return undefined;
  }

  /** Between lanes of a kind, which fill the same slots, priority alone decides. */
  #checkLanes(row: Task, worker: VirtualWorker): void {
    const { store, judge } = this.#ports;
    for (const { id, rows } of store.lanes.values()) {
      const head = rows[0];
      if (!head || id === row.lane || head.kind !== row.kind || head.priority <= row.priority || worker.mayNotGet(head))
        continue;
      if (store.triedOn(head).includes(worker.id)) continue;
      judge.broken(
        'priority inverted between lanes',
        `${row.id} of ${row.priority} before ${head.id} of ${head.priority}`,
      );
    }
  }

  /** At rest: every accepted task has ended. */
  checkEnded(): void {
    for (const { id, accepted, hasEnded } of this.#tasks.values()) {
      if (accepted && !hasEnded) {
        const row = this.#ports.store.byId.get(id);
        this.#ports.judge.broken('task lost', `${id} is ${row?.state ?? 'nowhere'} for ever`);
      }
    }
  }
}
