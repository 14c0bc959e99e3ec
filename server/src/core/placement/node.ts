/**
 * A worker as placement sees it: `NodeState` is what is so, `NodeSnapshot` the copy that one run of placement changes
 * while it tries what would fit.
 */
import type { Eligibility } from './eligibility.js';
import { add, NO_RESOURCES, type Resources, shortage, subtract, withoutDisk } from './resources.js';

/** A catalogue workload on a worker, as the last run of placement left it. */
export interface Replica {
  readonly reserved: Resources;
  /** Ms since it was placed there. */
  readonly ranMs: number;
  /** Ms since it last had work; 0 while it works or tasks of its kinds wait. */
  readonly idleMs: number;
  readonly state: 'starting' | 'healthy' | 'failing';
}

export interface NodeState {
  readonly id: string;
  /** It has a session and accepts tasks; on any other worker nothing is started. */
  readonly accepts: boolean;
  /** Its replicas count towards floor and ceiling: it has a session, or had one a moment ago. */
  readonly present: boolean;
  readonly tier: number;
  readonly capacity: Resources;
  /** VRAM held by programs that are not ours: not available to anything new. */
  readonly foreignVramMiB: number;
  /** Memory of the best-effort workloads that have work right now. */
  readonly busyBestEffortMiB: number;
  /** Memory of all best-effort workloads: embedded ones that run in what memory placement leaves. */
  readonly bestEffortMiB: number;
  readonly eligibility: ReadonlyMap<string, Eligibility>;
  readonly replicas: ReadonlyMap<string, Replica>;
}

/** How much a new replica may displace: a floor's ignores best-effort workloads, one for demand only idle ones. */
export type Urgency = 'floor' | 'demand';

export interface SnapshotReplica extends Replica {
  /** Started in this run of placement. */
  readonly fresh?: boolean;
}

export class NodeSnapshot {
  readonly node: NodeState;
  readonly replicas = new Map<string, SnapshotReplica>();
  #reserved = NO_RESOURCES;

  constructor(node: NodeState) {
    this.node = node;
  }

  get reserved(): Resources {
    return this.#reserved;
  }

  /** Takes over a replica that was there before this run, unless it no longer fits: then the reason. */
  keep(workload: string, replica: Replica): string | undefined {
    const reserved = withoutDisk(replica.reserved);
    const short = shortage(reserved, this.#reserved, this.node.capacity);
    if (short !== undefined) return short;
    this.replicas.set(workload, replica);
    this.#reserved = add(this.#reserved, reserved);
    return undefined;
  }

  start(workload: string): void {
    const eligibility = this.node.eligibility.get(workload);
    if (!eligibility?.ok) throw new Error(`${workload} was to be placed on ${this.node.id}, which cannot run it`);
    const reserved = eligibility.reserves;
    this.replicas.set(workload, { reserved, ranMs: 0, idleMs: 0, state: 'starting', fresh: true });
    this.#reserved = add(this.#reserved, reserved);
  }

  stop(workload: string): void {
    const replica = this.replicas.get(workload)!;
    this.replicas.delete(workload);
    this.#reserved = subtract(this.#reserved, withoutDisk(replica.reserved));
  }

  /**
   * What one more workload lacks here, were `freed` given back; undefined where it fits.
   * @param displacesIdle whether idle best-effort workloads may be ended for it, too
   */
  shortageFor(workload: string, urgency: Urgency, freed = NO_RESOURCES, displacesIdle = false): string | undefined {
    const { eligibility: eligibilities, busyBestEffortMiB, bestEffortMiB, foreignVramMiB, capacity } = this.node;
    const eligibility = eligibilities.get(workload);
    if (!eligibility?.ok) return eligibility?.reason ?? 'cannot run it';
    const bestEffort = urgency === 'floor' ? 0 : displacesIdle ? busyBestEffortMiB : bestEffortMiB;
    const reserved = subtract(this.#reserved, withoutDisk(freed));
    const others = { ...NO_RESOURCES, memoryMiB: bestEffort, vramMiB: foreignVramMiB };
    return shortage(eligibility.requires, add(reserved, others), capacity);
  }
}
