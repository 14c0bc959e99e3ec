/**
 * A term: one property by which workers are found, such as a kind, a label with its value, or a tier. Its postings are the
 * online workers that have it, those with a free slot first, so that nobody walks over full ones. Each change is O(1).
 */
import type { Lane } from '../lane.js';
import type { WorkerEntry } from './worker-entry.js';

/** That a worker has a term, and where it stands among the term's postings. */
export interface Posting {
  readonly entry: WorkerEntry;
  readonly term: Term;
  at: number;
}

/** Invariants: `postings[i].at === i`; a posting has a free slot exactly if `at < free`. */
export class Term {
  readonly key: string;
  readonly postings: Posting[] = [];
  free = 0;
  /** Where the next search among the free ones begins, so that equal workers take turns. */
  turn = 0;
  /** Incremented whenever a worker gains or loses the term. */
  version = 0;
  /** By kind: the lanes that wait for a worker with this term, the best head first. */
  readonly waiting = new Map<string, Lane[]>();
  /** The number of lanes that hold a reference: their constraints name the term, whether or not any worker has it. */
  lanes = 0;

  constructor(key: string) {
    this.key = key;
  }

  add(entry: WorkerEntry): Posting {
    const posting: Posting = { entry, term: this, at: this.postings.length };
    this.postings.push(posting);
    this.version++;
    return posting;
  }

  remove(posting: Posting): void {
    this.setFree(posting, false);
    this.#swap(posting.at, this.postings.length - 1);
    this.postings.pop();
    this.version++;
  }

  setFree(posting: Posting, free: boolean): void {
    if (posting.at < this.free === free) return;
    if (free) this.#swap(posting.at, this.free++);
    else this.#swap(posting.at, --this.free);
  }

  #swap(a: number, b: number): void {
    const { postings } = this;
    const first = postings[a]!;
    const second = postings[b]!;
    postings[a] = second;
    postings[b] = first;
    second.at = a;
    first.at = b;
  }
}

/** The number of workers that have one of the terms. */
export const sizeOf = (source: readonly Term[]): number =>
  source.reduce((sum, { postings }) => sum + postings.length, 0);
export const freeIn = (source: readonly Term[]): number => source.reduce((sum, { free }) => sum + free, 0);

/** All terms by key. A term exists while a worker has it or a lane names it, so peers cannot make the map grow for good. */
export class Terms {
  readonly #byKey = new Map<string, Term>();

  get size(): number {
    return this.#byKey.size;
  }

  find(key: string): Term | undefined {
    return this.#byKey.get(key);
  }

  obtain(key: string): Term {
    let term = this.#byKey.get(key);
    if (!term) {
      term = new Term(key);
      this.#byKey.set(key, term);
    }
    return term;
  }

  /** Drops the term if nothing refers to it any more. */
  release(term: Term): void {
    if (term.postings.length === 0 && term.lanes === 0) this.#byKey.delete(term.key);
  }
}
