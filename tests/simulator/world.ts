/** One simulated pool: coordinator, workers, clients and faults on one queue of events, held against the contract. */

import type { Task } from '@rma/server/core/task';
import { Random } from '../fuzz/random.js';
import { checkBaseline, checkBounds, checkCounts } from './baseline.js';
import { Contract } from './contract.js';
import { EventQueue } from './event-queue.js';
import { ModelStore } from './model-store.js';
import { type Judge, Violation } from './rules.js';
import { type Fault, type Scenario, SITES } from './scenario.js';
import { VirtualClient } from './virtual-client.js';
import { START_MS, VirtualCoordinator } from './virtual-coordinator.js';
import { VirtualWorker } from './virtual-worker.js';

/** After so many steps everything is checked, not only what a step touched. */
const FULL_CHECK_STEPS = 1_000;
/** Who is idle for so long beside a task that waits so long should have it. */
const IDLE_MS = 3_000;
/** Of the workers, so many are looked at to find an idle one. */
const CANDIDATES = 50;
/** At rest everything has ended within this time, with room for graces, backoffs and stops. */
const REST_MS = 1_800_000;
const PAYLOAD_BYTES = [10, 200, 1_500, 1_500, 20_000] as const;
const PAYLOADS = PAYLOAD_BYTES.map((size) => new Uint8Array(size));

export class World {
  readonly scenario: Scenario;
  readonly judge: Judge;
  readonly queue = new EventQueue();
  readonly store: ModelStore;
  readonly contract: Contract;
  readonly coordinator: VirtualCoordinator;
  readonly workers: readonly VirtualWorker[];
  readonly clients: readonly VirtualClient[];
  /** Nobody begins anything, nothing fails, and everybody comes back. */
  isResting = false;
  steps = 0;
  #numbers = 0;
  readonly #ended: { row: Task; atMs: number }[] = [];

  constructor(scenario: Scenario, judge: Judge) {
    this.scenario = scenario;
    this.judge = judge;
    const { queue } = this;
    this.store = new ModelStore(() => queue.nowMs);
    this.contract = new Contract({
      store: this.store,
      judge,
      idleBeside: (row, worker) => this.#idleFor(row, worker),
      onEnded: (row) => this.#ended.push({ row, atMs: queue.nowMs }),
    });
    const tokens = this.#makeTokens();
    const { windowTasks, windowBytes, maxOpenPerOwner, maxLanesPerOwner, retentionMs } = scenario;
    this.coordinator = new VirtualCoordinator({
      queue,
      random: new Random(scenario.seed),
      store: this.store,
      settings: { windowTasks, windowBytes, maxOpenPerOwner, maxLanesPerOwner, retentionMs },
      onSent: (peer, outgoing) => this.contract.sent(peer instanceof VirtualWorker ? peer : undefined, outgoing),
      onTurn: () => this.#prune(),
    });
    this.workers = scenario.workers.map((traits, n) => new VirtualWorker(this, traits, tokens.join[n]!));
    this.clients = scenario.clients.map((traits, n) => new VirtualClient(this, traits, tokens.client[n]!));
    for (const fault of scenario.faults) queue.at(fault.atMs, () => this.#inject(fault));
  }

  #makeTokens(): { join: string[]; client: string[] } {
    const add = (role: 'join' | 'client', name: string): string => {
      const id = this.nextId('t');
      const times = { createdAt: START_MS, expiresAt: 0, usesLeft: -1, revokedAt: 0, lastUsedAt: 0 };
      this.store.addToken({ id, role, name, subject: name, owner: name, trust: 'community', ...times });
      return id;
    };
    const { workers, clients } = this.scenario;
    return { join: workers.map(() => add('join', 'lab')), client: clients.map(({ owner }) => add('client', owner)) };
  }

  /** Runs the scenario to its end, and then to rest. @throws Violation */
  run(): void {
    while (this.steps < this.scenario.steps) this.#step();
    this.#rest();
  }

  #step(): void {
    this.queue.runNext();
    if (++this.steps % FULL_CHECK_STEPS === 0) this.#checkAll();
  }

  #checkAll(): void {
    const { coordinator, store, judge } = this;
    if (coordinator.isSilent) return;
    checkBounds(this);
    if (!coordinator.state.readOnly) checkCounts(coordinator.state, store, judge);
    if (coordinator.faultUntilMs < this.queue.nowMs - 60_000) this.#checkIdle();
  }

  /** No task waits while a worker that may run it has been idle for a while. */
  #checkIdle(): void {
    const sinceMs = this.queue.nowMs - IDLE_MS;
    for (const lane of this.store.lanes.values()) {
      const head = lane.rows[0];
      if (!head || (this.store.queuedSinceMs.get(head.seq) ?? 0) > sinceMs) continue;
      const spared = this.store.triedOn(head);
      const idle = this.workers.find(
        (worker) => worker.isIdleFor(head, sinceMs) && !spared.includes(worker.id) && !this.#rests(worker),
      );
      if (idle) this.judge.broken('waits beside an idle worker', `${head.id} of lane ${lane.key} beside ${idle.id}`);
    }
  }

  /** It gets no tasks for a while, having failed where others succeeded. */
  #rests({ id }: VirtualWorker): boolean {
    return (this.coordinator.state.workers.get(id)?.restUntilMs ?? 0) !== 0;
  }

  #idleFor(row: Task, beside: VirtualWorker): VirtualWorker | undefined {
    const sinceMs = this.queue.nowMs - IDLE_MS;
    const { workers } = this;
    for (let n = 0; n < Math.min(CANDIDATES, workers.length); n++) {
      const worker = workers[(row.seq + n) % workers.length]!;
      if (worker === beside || this.contract.hasFailedOn(row.id, worker) || this.#rests(worker)) continue;
      if (worker.isIdleFor(row, sinceMs)) return worker;
    }
    return undefined;
  }

  /** Ended tasks go after the retention. */
  #prune(): void {
    const beforeMs = this.queue.nowMs - this.scenario.retentionMs;
    while (this.#ended[0] && this.#ended[0].atMs < beforeMs) this.store.prune(this.#ended.shift()!.row);
  }

  #rest(): void {
    this.isResting = true;
    this.coordinator.setDisk('ok');
    for (const peer of [...this.workers, ...this.clients]) peer.rest();
    const untilMs = this.queue.nowMs + REST_MS;
    const isDone = () => this.contract.open === 0 && this.clients.every((client) => client.isDone);
    while (this.queue.nowMs < untilMs && !(this.steps % 100 === 0 && isDone())) {
      this.#step();
      if (this.steps % FULL_CHECK_STEPS === 0) this.#cancelUnservable();
    }
    this.contract.checkEnded();
    for (const client of this.clients) {
      if (!client.isDone)
        throw new Violation('end told wrongly', `${client.traits.owner} waits for ${client.waitsFor}`);
    }
    // What was stopped is confirmed, empty lanes are dropped.
    const lastMs = Math.max(this.queue.nowMs, this.coordinator.faultUntilMs) + 90_000;
    while (this.queue.nowMs < lastMs) this.#step();
    this.#checkAll();
    checkBaseline(this);
  }

  /** What no worker of this scenario can ever run would wait for ever. */
  #cancelUnservable(): void {
    for (const { rows } of this.store.lanes.values()) {
      const head = rows[0];
      if (!head || this.workers.some((worker) => worker.mayNotGet(head) === undefined)) continue;
      for (const { id, owner } of rows) this.clients.find(({ traits }) => traits.owner === owner)?.cancel(id);
    }
  }

  #inject(fault: Fault): void {
    if (this.isResting) return;
    const { coordinator, workers, clients, queue } = this;
    const worker = 'target' in fault ? workers[fault.target % workers.length] : undefined;
    switch (fault.do) {
      case 'worker restarts':
      case 'worker vanishes':
        worker?.restart(fault.ms, fault.do === 'worker vanishes');
        return;
      case 'worker is suspended':
        worker?.suspend(fault.ms);
        return;
      case 'worker is cut off':
        worker?.partition(fault.ms);
        return;
      case 'worker flaps':
        worker?.partition(fault.ms);
        if (fault.times > 1) queue.after(2 * fault.ms, () => this.#inject({ ...fault, times: fault.times - 1 }));
        return;
      case 'client is cut off':
        clients[fault.target % clients.length]?.partition(fault.ms);
        return;
      case 'site is cut off': {
        const share = Math.ceil(workers.length * fault.share * 0.5);
        for (const one of workers.slice(0, share)) one.partition(fault.ms);
        return;
      }
      case 'coordinator crashes':
        coordinator.crash(fault.at, fault.ms);
        return;
      case 'coordinator is suspended':
        coordinator.suspend(fault.ms);
        return;
      case 'disk is low':
      case 'disk is full':
        coordinator.setDisk(fault.do === 'disk is low' ? 'low' : 'full');
        queue.after(fault.ms, () => coordinator.setDisk('ok'));
        return;
      case 'wall clock jumps':
        coordinator.wallSkewMs += fault.byMs;
        return;
    }
  }

  nextNumber(): number {
    return ++this.#numbers;
  }

  nextId(prefix: string): string {
    return `${prefix}-${this.nextNumber()}`;
  }

  payload(random: Random): Uint8Array {
    return random.pick(PAYLOADS);
  }

  anyLabel(random: Random): string {
    return random.pick(SITES);
  }

  /** Some task that runs, if one is found at once. */
  anyRunning(random: Random): Task | undefined {
    const id = random.pick(this.workers).anyTask;
    return id === undefined ? undefined : this.store.byId.get(id);
  }
}
