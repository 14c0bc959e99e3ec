/** From the live state to placement's question, and from its answer to assignments: at most a few times a second. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import { outgoingOf } from '../effects.js';
import { queuedIn } from '../lane.js';
import type { State } from '../state.js';
import { emit, type Turn } from '../turn.js';
import { machineOf, mismatch, serves, takesTasks, tierOf, type Worker } from '../worker.js';
import { assign, fillerRefusal, type PlacedForm } from './assign.js';
import { type Form, formOf } from './form.js';
import { largestGpu, type Need, NOTHING, plus, roomOf } from './need.js';
import { DEEP_BACKLOG, type Demand, type Placement, place, type Replica, type Spot } from './place.js';

const EVERY_MS = 250;
/** How long what an absent worker ran still counts. */
const ABSENT_MS = 30_000;
/** A service that is unhealthy, or of which nothing is heard, for so long has failed. */
const FAILING_MS = 60_000;

/** The forms of a worker, made once and kept until the catalogue, the machine or its terms change. */
export function formsOf(state: State, worker: Worker): ReadonlyMap<string, Form> {
  if (worker.forms) return worker.forms;
  const machine = machineOf(worker.record, worker);
  worker.forms = new Map(
    state.catalog.entries.map((entry) => {
      const binding = state.bindings.get(entry.name);
      return [entry.name, formOf(entry, machine, binding?.worker === worker.record.id ? binding.runtime : undefined)];
    }),
  );
  return worker.forms;
}

/** The assignment anew, from what is placed; true when what the worker has to do is another. */
export function assignAnew(state: State, worker: Worker): boolean {
  const forms = formsOf(state, worker);
  const placed: PlacedForm[] = [];
  for (const [workload, { reason }] of worker.placed) {
    const form = forms.get(workload);
    if (form?.ok) placed.push({ workload, reason, form });
  }
  const before = worker.assignment;
  const after = assign(machineOf(worker.record, worker), worker.record.pinnedTier, placed, state.catalog);
  worker.assignment = after;
  worker.record.reasons = after.reasons;
  const told = ({ tier, pinned, workloads }: typeof after) => JSON.stringify([tier, pinned, workloads]);
  return told(before) !== told(after);
}

/** Tells the worker, if it has a session, and the pool. */
export function tellAssignment(turn: Turn, worker: Worker): void {
  const { assignment, record } = worker;
  emit(turn, 'worker.assigned', record.id, '', {
    tier: assignment.tier,
    reasons: assignment.reasons,
    workloads: assignment.workloads.map(({ workload }) => workload),
  });
  if (worker.session === 0) return;
  const outgoing = outgoingOf(turn.effects, worker.session);
  if (outgoing.welcome?.worker) outgoing.welcome.worker.assignment = assignment;
  else outgoing.assignment = assignment;
}

export function runPlacement(turn: Turn): void {
  const { state, batch, effects } = turn;
  if (!state.placementDue || batch.nowMs - state.placedAtMs < EVERY_MS || state.stopping) return;
  state.placementDue = false;
  state.placedAtMs = batch.nowMs;
  const { catalog } = state;
  const workers = [...state.workers.values()].filter(({ record }) => record.revokedAt === 0);
  const spots: Spot[] = [];
  for (const worker of workers) {
    const spot = spotOf(turn, worker);
    if (spot) spots.push(spot);
  }
  if (spots.length === 0 && catalog.entries.length === 0) return;
  const answer = place({
    catalog: catalog.entries,
    spots,
    demands: demandsOf(turn),
    bindings: new Map([...state.bindings].map(([workload, { worker }]) => [workload, worker])),
    frozen: isFrozen(state, workers, batch.nowMs),
  });
  catalog.unmet = answer.unmet;
  for (const worker of apply(turn, answer)) {
    if (!assignAnew(state, worker)) continue;
    effects.persist.workers.add(worker.record);
    tellAssignment(turn, worker);
  }
}

/** After a start workers find their way back with what they run: beginning it elsewhere meanwhile would double it. */
function isFrozen(state: State, workers: readonly Worker[], nowMs: number): boolean {
  return nowMs < state.frozenUntilMs && workers.some(({ session, leftMs }) => session === 0 && leftMs === 0);
}

function apply(turn: Turn, { starts, stops }: Placement): Set<Worker> {
  const { state, batch } = turn;
  const changed = new Set<Worker>();
  for (const { worker: id, workload } of stops) {
    const worker = state.workers.get(id)!;
    worker.placed.delete(workload);
    changed.add(worker);
  }
  for (const { worker: id, workload, reason } of starts) {
    const worker = state.workers.get(id)!;
    const form = formsOf(state, worker).get(workload);
    if (!form?.ok) throw new Error(`${workload} was placed on ${id}, which cannot run it`);
    const { nowMs } = batch;
    worker.placed.set(workload, { runtime: form.runtime, reason, sinceMs: nowMs, busyAtMs: nowMs, failingMs: 0 });
    changed.add(worker);
  }
  return changed;
}

/** Undefined for a worker that has nothing to do with placement. */
function spotOf({ state, batch }: Turn, worker: Worker): Spot | undefined {
  const forms = formsOf(state, worker);
  let able = worker.placed.size > 0;
  for (const form of forms.values()) if (form.ok) able = true;
  if (!able) return undefined;
  const { record } = worker;
  const machine = machineOf(record, worker);
  const replicas = new Map<string, Replica>();
  let own = NOTHING;
  for (const name of worker.placed.keys()) {
    const form = forms.get(name);
    const replica = replicaOf(state, worker, name, form?.ok ? form.takes : NOTHING, batch.nowMs);
    replicas.set(name, replica);
    own = plus(own, replica.need);
  }
  const running = runningFillers(state, worker);
  return {
    id: record.id,
    takes: takesTasks(worker),
    counts: worker.session === 0 ? batch.nowMs - worker.leftMs < ABSENT_MS : takesTasks(worker),
    tier: tierOf(worker) ?? 4,
    room: roomOf(record.hardware, worker.engine, worker.policy),
    foreignVramMiB: Math.max(0, vramUsed(worker) - own.vramMiB),
    busyMiB: running.busyMiB,
    fillerMiB: machine.available.reduce(
      (sum, available) => sum + (running.names.has(available.workload) ? available.memoryMiB : 0),
      0,
    ),
    forms,
    replicas,
  };
}

function vramUsed({ record, load }: Worker): number {
  const gpu = largestGpu(record.hardware);
  if (!gpu) return 0;
  const measured = load?.gpus.find(({ index }) => index === gpu.index)?.vramUsedMiB;
  return measured ?? (gpu.vramFreeMiB === undefined ? 0 : gpu.vramMiB - gpu.vramFreeMiB);
}

function runningFillers(state: State, worker: Worker): { names: Set<string>; busyMiB: number } {
  const names = new Set<string>();
  let busyMiB = 0;
  const machine = machineOf(worker.record, worker);
  for (const { workload, container } of worker.assignment.workloads) {
    const available = worker.record.available.find((one) => one.workload === workload);
    if (container || !available || fillerRefusal(available, machine, state.catalog) !== undefined) continue;
    names.add(workload);
    for (const { service, used } of worker.services.values()) {
      if (service.name === workload && used > 0) busyMiB += available.memoryMiB;
    }
  }
  return { names, busyMiB };
}

/** The services of a worker that run a catalogue workload. */
export function servicesOf(worker: Worker, entry: CatalogEntry) {
  return [...worker.services.values()].filter(({ service }) => {
    const name = service.workload ?? service.name;
    if (service.runtime === 'endpoint') return false;
    return service.runtime === 'docker' ? name === entry.name : name === entry.embedded;
  });
}

function replicaOf(state: State, worker: Worker, name: string, need: Need, nowMs: number): Replica {
  const placed = worker.placed.get(name)!;
  const entry = state.catalog.byName.get(name);
  const ranMs = nowMs - placed.sinceMs;
  if (!entry) return { need, ranMs, idleMs: ranMs, state: 'starting' };
  const services = servicesOf(worker, entry);
  const healthy = services.some(({ service }) => service.state === 'healthy');
  const onItsWay = services.some(({ service }) => ['pending', 'pulling', 'starting'].includes(service.state));
  const asked = entry.kinds.some((kind) => hasQueue(state, kind)) || services.some(({ used }) => used > 0);
  if (asked) placed.busyAtMs = nowMs;
  if (healthy || onItsWay || worker.session === 0) placed.failingMs = 0;
  else if (placed.failingMs === 0) placed.failingMs = nowMs;
  return {
    need,
    ranMs,
    idleMs: nowMs - placed.busyAtMs,
    state: healthy
      ? 'healthy'
      : placed.failingMs !== 0 && nowMs - placed.failingMs >= FAILING_MS
        ? 'failing'
        : 'starting',
  };
}

function hasQueue(state: State, kind: string): boolean {
  for (const lane of state.kinds.get(kind)?.lanes ?? []) if (queuedIn(lane) > 0) return true;
  return false;
}

function demandsOf({ state, batch }: Turn): Demand[] {
  const { catalog } = state;
  const demands: Demand[] = [];
  for (const kind of catalog.kinds) {
    for (const lane of state.kinds.get(kind)?.lanes ?? []) {
      const queued = queuedIn(lane);
      const { constraints } = lane;
      const admits = (id: string) => {
        const worker = state.workers.get(id);
        return worker !== undefined && mismatch(worker, constraints) === undefined;
      };
      const { slots, coming } =
        queued > 0 ? serving(state, kind, constraints.model, admits) : { slots: 0, coming: false };
      if (queued === 0 || slots === 0 || queued <= slots * DEEP_BACKLOG) catalog.deepSince.delete(lane.id);
      else if (!catalog.deepSince.has(lane.id)) catalog.deepSince.set(lane.id, batch.nowMs);
      if (queued === 0) continue;
      const since = catalog.deepSince.get(lane.id);
      const deepMs = since === undefined ? 0 : batch.nowMs - since;
      demands.push({ kind, model: constraints.model, queued, slots, coming, deepMs, admits });
    }
  }
  for (const id of catalog.deepSince.keys()) if (!state.lanes.has(id)) catalog.deepSince.delete(id);
  return demands;
}

/** Slots that take tasks of this kind now, and whether an embedded service that will is still on its way up. */
function serving(
  state: State,
  kind: string,
  model: string | undefined,
  admits: (id: string) => boolean,
): { slots: number; coming: boolean } {
  let slots = 0;
  let coming = false;
  for (const worker of state.workers.values()) {
    if (!takesTasks(worker) || !admits(worker.record.id)) continue;
    let here = 0;
    for (const live of worker.services.values()) if (serves(live, kind, model)) here += live.service.slots;
    slots += here;
    if (here > 0 || model !== undefined || coming) continue;
    coming = worker.assignment.workloads.some(({ workload, container }) => {
      if (container || !worker.record.available.find((one) => one.workload === workload)?.kinds.includes(kind))
        return false;
      const state = worker.services.get(workload)?.service.state;
      return state === undefined || state === 'pending' || state === 'pulling' || state === 'starting';
    });
  }
  return { slots, coming };
}
