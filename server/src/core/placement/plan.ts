/** One run of placement as it comes about: the snapshots of all nodes, and the starts and stops decided so far. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import { NodeSnapshot, type NodeState, type Replica, type SnapshotReplica } from './node.js';

/** Tasks that wait, of one lane. */
export interface Demand {
  readonly kind: string;
  readonly model: string | undefined;
  readonly queued: number;
  /** Slots of healthy services that may take them. */
  readonly slots: number;
  /** A service outside the catalogue, or a best-effort one, is about to serve them. */
  readonly serviceStarting: boolean;
  /** Ms since which `queued > slots * BACKLOG_FACTOR`. */
  readonly backlogMs: number;
  admits(worker: string): boolean;
  /** Nodes on which a replica for these tasks may start: so many as one run looks at, others in later runs. */
  candidates(entry: CatalogEntry): Iterable<NodeState>;
}

export interface PlacementInput {
  readonly catalog: readonly CatalogEntry[];
  /** Those that run catalogue workloads. */
  readonly nodes: readonly NodeState[];
  /** Nodes on which a replica may start whatever waits: so many as one run looks at. */
  candidates(entry: CatalogEntry): Iterable<NodeState>;
  readonly demands: readonly Demand[];
  /** Workloads with state, and the worker that holds their data. */
  readonly bindings: ReadonlyMap<string, string>;
  /** Workers are still reconnecting after a start: nothing is started, nothing idle is stopped. */
  readonly frozen: boolean;
}

export interface Start {
  readonly worker: string;
  readonly workload: string;
  readonly reason: string;
}
export type Stop = Start;

export interface Placement {
  readonly starts: readonly Start[];
  readonly stops: readonly Stop[];
  /** Workloads that are wanted and cannot be placed, with the reason. */
  readonly unmet: ReadonlyMap<string, string>;
}

export class Plan implements Placement {
  readonly input: PlacementInput;
  /** Nodes with replicas, by worker id, so that the same input always gives the same plan. */
  readonly nodes: NodeSnapshot[];
  readonly byName: ReadonlyMap<string, CatalogEntry>;
  readonly starts: Start[] = [];
  readonly stops: Stop[] = [];
  readonly unmet = new Map<string, string>();
  readonly #snapshots = new Map<string, NodeSnapshot>();
  /** By workload: the nodes that hold a replica. */
  readonly #holders = new Map<string, Set<NodeSnapshot>>();

  constructor(input: PlacementInput) {
    this.input = input;
    this.byName = new Map(input.catalog.map((entry) => [entry.name, entry]));
    this.nodes = input.nodes.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map((node) => this.snapshotOf(node));
  }

  /** A node as this run left it so far. */
  snapshotOf(node: NodeState): NodeSnapshot {
    let snapshot = this.#snapshots.get(node.id);
    if (!snapshot) {
      snapshot = new NodeSnapshot(node);
      this.#snapshots.set(node.id, snapshot);
    }
    return snapshot;
  }

  /** Nodes whose replica counts towards floor and ceiling. A failed one does only where its data binds it. */
  replicasOf(entry: CatalogEntry): NodeSnapshot[] {
    return this.#holding(entry.name).filter(
      ({ node, replicas }) => node.present && (replicas.get(entry.name)!.state !== 'failing' || entry.stateful),
    );
  }

  failuresOf(entry: CatalogEntry): number {
    return this.#holding(entry.name).filter(({ replicas }) => replicas.get(entry.name)!.state === 'failing').length;
  }

  #holding(workload: string): NodeSnapshot[] {
    return [...(this.#holders.get(workload) ?? [])];
  }

  /** Takes over a replica of before, unless it no longer fits: then the reason. */
  keep(snapshot: NodeSnapshot, workload: string, replica: Replica): string | undefined {
    const short = snapshot.keep(workload, replica);
    if (short === undefined) this.#hold(snapshot, workload);
    return short;
  }

  #hold(snapshot: NodeSnapshot, workload: string): void {
    const holders = this.#holders.get(workload);
    if (holders) holders.add(snapshot);
    else this.#holders.set(workload, new Set([snapshot]));
  }

  /** A replica may be stopped for others only past its minimum run time, and while it is idle or failing. */
  mayStop(entry: CatalogEntry, replica: SnapshotReplica): boolean {
    if (replica.fresh || replica.ranMs < entry.minRunSeconds * 1_000) return false;
    return replica.state === 'failing' || replica.idleMs > 0;
  }

  start(snapshot: NodeSnapshot, workload: string, reason: string): void {
    snapshot.start(workload);
    this.#hold(snapshot, workload);
    this.starts.push({ worker: snapshot.node.id, workload, reason });
  }

  stop(snapshot: NodeSnapshot, workload: string, reason: string): void {
    snapshot.stop(workload);
    this.#holders.get(workload)?.delete(snapshot);
    this.reject(snapshot, workload, reason);
  }

  /** A replica of before that is not kept: it reserves nothing in the snapshot. */
  reject({ node }: NodeSnapshot, workload: string, reason: string): void {
    this.stops.push({ worker: node.id, workload, reason });
  }

  /** What was stopped in this run is not started again in it: placement must not flap. */
  wasStopped({ node }: NodeSnapshot, workload: string): boolean {
    return this.stops.some((stop) => stop.worker === node.id && stop.workload === workload);
  }
}
