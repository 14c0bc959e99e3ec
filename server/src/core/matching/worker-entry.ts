/** A worker in the index: its postings, and which of its services have room. It exists while the worker is online. */
import type { LiveService, Worker } from '../worker.js';
import type { Posting } from './term.js';

export interface KindPosting extends Posting {
  /** The number of its services of this kind that have a free slot. */
  open: number;
}

export interface ServiceEntry {
  readonly live: LiveService;
  readonly kinds: readonly KindPosting[];
  /** It has a free slot, and its worker takes tasks. */
  open: boolean;
}

export interface WorkerEntry {
  readonly worker: Worker;
  readonly kinds: Map<string, KindPosting>;
  /** Of all terms but the kinds. */
  readonly traits: Posting[];
  readonly services: ServiceEntry[];
  /** The number of services that are open. */
  open: number;
}
