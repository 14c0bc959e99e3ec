/** From a live worker to the `NodeState` that placement decides by. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { State } from '../state.js';
import type { Turn } from '../turn.js';
import { acceptsTasks, isStarting, type LiveService, machineOf, type Placed, tierOf, type Worker } from '../worker.js';
import { bestEffortRefusal } from './assign.js';
import { eligibilitiesOf } from './eligibilities.js';
import type { NodeState, Replica } from './node.js';
import { capacityOf, largestGpu, NO_RESOURCES, type Resources } from './resources.js';

/** How long an absent worker's replicas still count. */
const ABSENT_MS = 30_000;
/** A replica without a healthy or starting service for so long has failed. */
const FAILING_MS = 60_000;
/** Ranks behind every tier. */
const NO_TIER = 4;

export function nodeStateOf({ state, batch }: Turn, worker: Worker): NodeState {
  const eligibility = eligibilitiesOf(state, worker);
  const { record } = worker;
  const replicas = new Map<string, Replica>();
  let ownVramMiB = 0;
  for (const [workload, placed] of worker.placed) {
    const eligible = eligibility.get(workload);
    const reserved = eligible?.ok ? eligible.reserves : NO_RESOURCES;
    replicas.set(workload, replicaOf(state, worker, workload, placed, reserved, batch.nowMs));
    ownVramMiB += reserved.vramMiB;
  }
  const accepts = acceptsTasks(worker);
  return {
    id: record.id,
    accepts,
    present: worker.session === 0 ? batch.nowMs - worker.leftMs < ABSENT_MS : accepts,
    tier: tierOf(worker) ?? NO_TIER,
    capacity: capacityOf(record.hardware, worker.engine, worker.policy),
    foreignVramMiB: Math.max(0, vramUsed(worker) - ownVramMiB),
    ...bestEffortMemory(state, worker),
    eligibility,
    replicas,
  };
}

/** As last measured; before the first sample, as the hello reported it. */
function vramUsed({ record, load }: Worker): number {
  const gpu = largestGpu(record.hardware);
  if (!gpu) return 0;
  const measured = load?.gpus.find(({ index }) => index === gpu.index)?.vramUsedMiB;
  return measured ?? (gpu.vramFreeMiB === undefined ? 0 : gpu.vramMiB - gpu.vramFreeMiB);
}

function bestEffortMemory(state: State, worker: Worker): Pick<NodeState, 'bestEffortMiB' | 'busyBestEffortMiB'> {
  const { record, assignment, services } = worker;
  const machine = machineOf(record, worker);
  const names = new Set<string>();
  let busyBestEffortMiB = 0;
  for (const { workload, container } of assignment.workloads) {
    const available = record.available.find((one) => one.workload === workload);
    if (container || !available || bestEffortRefusal(available, machine, state.catalog) !== undefined) continue;
    names.add(workload);
    if ((services.get(workload)?.used ?? 0) > 0) busyBestEffortMiB += available.memoryMiB;
  }
  const own = record.available.filter(({ workload }) => names.has(workload));
  return { bestEffortMiB: own.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0), busyBestEffortMiB };
}

/** The services of a worker that run a catalogue workload. */
export function servicesOf(worker: Worker, entry: CatalogEntry): LiveService[] {
  return [...worker.services.values()].filter(({ service }) => {
    const name = service.workload ?? service.name;
    if (service.runtime === 'endpoint') return false;
    return service.runtime === 'docker' ? name === entry.name : name === entry.embedded;
  });
}

/** Also keeps when the replica was busy last, and since when it fails. */
function replicaOf(
  state: State,
  worker: Worker,
  workload: string,
  placed: Placed,
  reserved: Resources,
  nowMs: number,
): Replica {
  const entry = state.catalog.byName.get(workload);
  const ranMs = nowMs - placed.sinceMs;
  if (!entry) return { reserved, ranMs, idleMs: ranMs, state: 'starting' };
  const services = servicesOf(worker, entry);
  const healthy = services.some(({ service }) => service.state === 'healthy');
  const starting = services.some(({ service }) => isStarting(service.state));
  if (services.some(({ used }) => used > 0) || entry.kinds.some((kind) => hasQueue(state, kind))) {
    placed.busyAtMs = nowMs;
  }
  if (healthy || starting || worker.session === 0) placed.failingMs = 0;
  else if (placed.failingMs === 0) placed.failingMs = nowMs;
  const failed = placed.failingMs !== 0 && nowMs - placed.failingMs >= FAILING_MS;
  return {
    reserved,
    ranMs,
    idleMs: nowMs - placed.busyAtMs,
    state: healthy ? 'healthy' : failed ? 'failing' : 'starting',
  };
}

const hasQueue = (state: State, kind: string): boolean => (state.kinds.get(kind)?.queued ?? 0) > 0;
