/**
 * Workers on which placement may start something, found by the index: those eligible for a workload, or fewer by what a lane's
 * tasks require. One run looks at a bounded number of them, and the next begins where it ended.
 */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { Constraints } from '@rma/protocol/task';
import { smallest } from '../matching/lane-search.js';
import { sizeOf, type Term } from '../matching/term.js';
import { constraintKeys, eligibleKey } from '../matching/term-keys.js';
import type { Turn } from '../turn.js';
import { acceptsTasks, mismatch, type Worker } from '../worker.js';
import type { NodeState } from './node.js';
import { nodeStateOf } from './node-state.js';

/** Workers that one run looks at, at about 1 µs each (they are cold), and for one replica. */
const LOOKS_A_RUN = 1_024;
const LOOKS = 256;
/** Nodes that are compared for one replica, each at the cost of so many looks. */
const NODES = 64;
const LOOKS_A_NODE = 16;

export class Candidates {
  /** How many more looks this run has. */
  looks = LOOKS_A_RUN;
  readonly #turn: Turn;
  readonly #nodes = new Map<Worker, NodeState>();

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  nodeOf(worker: Worker): NodeState {
    let node = this.#nodes.get(worker);
    if (!node) {
      node = nodeStateOf(this.#turn, worker);
      this.#nodes.set(worker, node);
    }
    return node;
  }

  *of(entry: CatalogEntry, constraints: Constraints): Generator<NodeState> {
    const { state } = this.#turn;
    const binding = state.bindings.get(entry.name);
    const bound = binding && state.workers.get(binding.worker);
    if (bound) yield this.nodeOf(bound);
    if (binding) return;
    const source = this.#source(entry, constraints);
    const size = sizeOf(source);
    let looks = Math.min(LOOKS, size);
    let nodes = NODES;
    for (const worker of cyclic(source, size > LOOKS ? state.catalog.lookAt : 0)) {
      if (looks-- <= 0 || nodes === 0 || this.looks-- <= 0) break;
      state.catalog.lookAt++;
      if (!acceptsTasks(worker) || mismatch(worker, constraints) !== undefined) continue;
      nodes--;
      this.looks -= LOOKS_A_NODE;
      yield this.nodeOf(worker);
    }
  }

  #source(entry: CatalogEntry, constraints: Constraints): readonly Term[] {
    const { terms } = this.#turn.state.index;
    // A model is the workload's to have; its name is not a property of workers that do not run it yet.
    const { model: _model, ...ofWorker } = constraints;
    const sources = [[eligibleKey(entry.name)], ...constraintKeys(ofWorker)].map((keys) =>
      keys.flatMap((key) => terms.find(key) ?? []),
    );
    return smallest(sources, sizeOf).source;
  }
}

/** The workers of a source once, beginning with the n-th. */
function* cyclic(source: readonly Term[], n: number): Generator<Worker> {
  const size = sizeOf(source);
  let skip = size === 0 ? 0 : n % size;
  const all = [...source, ...source];
  let left = size;
  for (const { postings } of all) {
    for (let i = Math.min(skip, postings.length); i < postings.length && left > 0; i++, left--)
      yield postings[i]!.entry.worker;
    skip = Math.max(0, skip - postings.length);
  }
}
