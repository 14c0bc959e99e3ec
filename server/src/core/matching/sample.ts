/** The workers that an explanation is about: all that are online in a small pool, a bounded number of the fitting ones in a large one. */
import type { State } from '../state.js';
import type { Worker } from '../worker.js';
import { smallest } from './lane-search.js';
import { sizeOf, type Term } from './term.js';

/** Workers that are looked at for one explanation. */
const LOOKS = 256;

export interface Sample {
  readonly workers: readonly Worker[];
  /** Of how many that meet the rarest requirement; the sample is a part of them where it is smaller. */
  readonly of: number;
}

/** @param keys for each requirement the terms of which a worker needs one; the first is the one that all meet */
export function sampleOf({ index, workers }: State, keys: readonly (readonly string[])[]): Sample {
  const sources = keys.map((source) => source.flatMap((key) => index.terms.find(key) ?? []));
  if (workers.size <= LOOKS) {
    const [first = []] = keys;
    const all = [...workers.values()].filter((worker) => first.some((key) => index.hasTerm(worker, key)));
    return { workers: all, of: all.length };
  }
  const rarest = smallest(sources, sizeOf);
  // Where nobody meets a requirement, those that meet the first show which it is.
  const source: readonly Term[] = rarest.size > 0 ? rarest.source : sources[0]!;
  const found: Worker[] = [];
  for (const { postings } of source) {
    for (let i = 0; i < postings.length && found.length < LOOKS; i++) found.push(postings[i]!.entry.worker);
  }
  return { workers: found, of: sizeOf(source) };
}
