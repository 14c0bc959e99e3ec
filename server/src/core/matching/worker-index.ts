/**
 * The index over workers. A step updates it for each worker that it changed (`effects.workers`), and for each slot that it
 * freed or took, before it schedules: so it is exact whenever a lane, placement, a query or a statistic looks.
 */
import { eligibilitiesOf } from '../placement/eligibilities.js';
import type { State } from '../state.js';
import { acceptsTasks, isStarting, type LiveService, type Worker } from '../worker.js';
import { believedRoom } from './believed-slots.js';
import { SortedWorkers } from './sorted-workers.js';
import { type Posting, Terms } from './term.js';
import { eligibleKey, kindKey, MAX_KINDS, runsKey, startingKey, traitKeys } from './term-keys.js';
import { WorkerCounts } from './worker-counts.js';
import type { KindPosting, WorkerEntry } from './worker-entry.js';

export class WorkerIndex {
  readonly terms = new Terms();
  readonly counts = new WorkerCounts();
  readonly sorted = new SortedWorkers();
  /** Workers with catalogue workloads that placement put there. */
  readonly placed = new Set<Worker>();
  /** How often a worker and a lane were held against each other: what scheduling costs, in all passes. */
  looks = 0;
  readonly #entries = new Map<Worker, WorkerEntry>();

  /** Undefined while it is not online. */
  entryOf(worker: Worker): WorkerEntry | undefined {
    return this.#entries.get(worker);
  }

  /** The number of online workers with a healthy service of the kind. */
  serving(kind: string): number {
    return this.terms.find(kindKey(kind))?.postings.length ?? 0;
  }

  hasTerm(worker: Worker, key: string): boolean {
    const entry = this.#entries.get(worker);
    if (!entry) return false;
    for (const posting of entry.kinds.values()) if (posting.term.key === key) return true;
    return entry.traits.some(({ term }) => term.key === key);
  }

  /** Something about the worker changed: indexes it anew, or forgets it once the state has. */
  update(state: State, worker: Worker): void {
    this.#detach(worker);
    if (state.workers.get(worker.record.id) !== worker) {
      this.counts.remove(worker);
      this.sorted.remove(worker);
      this.placed.delete(worker);
      return;
    }
    this.counts.update(worker);
    this.sorted.add(worker);
    if (worker.placed.size > 0) this.placed.add(worker);
    else this.placed.delete(worker);
    if (worker.session !== 0 && worker.record.revokedAt === 0) this.#attach(state, worker);
  }

  /** A slot was taken or became free, or more of them are believed. */
  refresh(entry: WorkerEntry): void {
    const takes = acceptsTasks(entry.worker) && believedRoom(entry.worker) > 0;
    const before = entry.open;
    for (const service of entry.services) {
      const open = takes && hasRoom(service.live);
      if (open === service.open) continue;
      const by = open ? 1 : -1;
      service.open = open;
      entry.open += by;
      for (const posting of service.kinds) {
        posting.open += by;
        posting.term.setFree(posting, posting.open > 0);
      }
    }
    if (before > 0 === entry.open > 0) return;
    for (const posting of entry.traits) posting.term.setFree(posting, entry.open > 0);
  }

  #attach(state: State, worker: Worker): void {
    const entry: WorkerEntry = { worker, kinds: new Map(), traits: [], services: [], open: 0 };
    const keys = [...traitKeys(worker), ...placementKeys(state, worker)];
    for (const key of keys) entry.traits.push(this.terms.obtain(key).add(entry));
    for (const live of worker.services.values()) {
      if (live.service.state !== 'healthy') continue;
      const kinds: KindPosting[] = [];
      for (const kind of new Set(live.service.kinds)) {
        const posting = entry.kinds.get(kind) ?? this.#addKind(entry, kind);
        if (posting) kinds.push(posting);
      }
      entry.services.push({ live, kinds, open: false });
    }
    this.#entries.set(worker, entry);
    this.refresh(entry);
  }

  #addKind(entry: WorkerEntry, kind: string): KindPosting | undefined {
    if (entry.kinds.size >= MAX_KINDS) return undefined;
    const posting: KindPosting = Object.assign(this.terms.obtain(kindKey(kind)).add(entry), { open: 0 });
    entry.kinds.set(kind, posting);
    return posting;
  }

  #detach(worker: Worker): void {
    const entry = this.#entries.get(worker);
    if (!entry) return;
    this.#entries.delete(worker);
    for (const posting of entry.traits) this.#remove(posting);
    for (const posting of entry.kinds.values()) this.#remove(posting);
  }

  #remove(posting: Posting): void {
    posting.term.remove(posting);
    this.terms.release(posting.term);
  }
}

const hasRoom = (live: LiveService): boolean => live.used < live.service.slots;

/** Terms by which placement finds workers: what they run embedded, what is about to serve a kind, what they could run. */
function* placementKeys(state: State, worker: Worker): Generator<string> {
  const starting = new Set<string>();
  for (const { workload, container } of worker.assignment.workloads) {
    if (container) continue;
    yield runsKey(workload);
    const serviceState = worker.services.get(workload)?.service.state;
    if (serviceState !== undefined && !isStarting(serviceState)) continue;
    const available = worker.record.available.find((one) => one.workload === workload);
    for (const kind of available?.kinds ?? []) starting.add(kind);
  }
  for (const kind of starting) yield startingKey(kind);
  for (const [workload, { ok }] of eligibilitiesOf(state, worker)) if (ok) yield eligibleKey(workload);
}
