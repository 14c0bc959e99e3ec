/** The catalogue as the core holds it, and what the last run of placement said of it. */
import type { CatalogEntry } from '@rma/protocol/catalog';

export interface CatalogState {
  readonly entries: readonly CatalogEntry[];
  readonly byName: ReadonlyMap<string, CatalogEntry>;
  /** Every task kind of the catalogue: known, whether somebody serves it or not. */
  readonly kinds: ReadonlySet<string>;
  /** Where it came from, in words. */
  readonly source: string;
  /** What is wrong with the newest version of it, which is therefore not in force. */
  refused: string | null;
  /** Wanted workloads that no worker can run now, with the reason. */
  unmet: ReadonlyMap<string, string>;
  /** Lanes with far more than the slots can take, by id, and since when (monotonic ms). */
  readonly deepSince: Map<number, number>;
  /** How long workloads took from starting to healthy, in ms: a moving mean. */
  readonly startMs: Map<string, number>;
}

export function makeCatalog(entries: readonly CatalogEntry[], source: string): CatalogState {
  return {
    entries,
    byName: new Map(entries.map((entry) => [entry.name, entry])),
    kinds: new Set(entries.flatMap(({ kinds }) => kinds)),
    source,
    refused: null,
    unmet: new Map(),
    deepSince: new Map(),
    startMs: new Map(),
  };
}

export const emptyCatalog = (): CatalogState => makeCatalog([], 'none');
