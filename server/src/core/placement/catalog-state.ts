/** The catalogue as the core holds it, with what the last run of placement found about it. */
import type { CatalogEntry } from '@rma/protocol/catalog';

export interface CatalogState {
  readonly entries: readonly CatalogEntry[];
  readonly byName: ReadonlyMap<string, CatalogEntry>;
  /** Every task kind of the catalogue: such a kind is known, whether or not any worker serves it. */
  readonly kinds: ReadonlySet<string>;
  /** The file or default that it was read from, as shown to an admin. */
  readonly source: string;
  /** The error in the newest version of the file, which is therefore not in force. */
  refused: string | null;
  /** Workloads that are wanted and that no worker can run now, with the reason. */
  unmet: ReadonlyMap<string, string>;
  /** By lane id: since when (monotonic ms) `queued > slots * BACKLOG_FACTOR`. */
  readonly backlogSince: Map<number, number>;
  /** By workload: moving mean of the ms from `starting` to `healthy`. */
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
    backlogSince: new Map(),
    startMs: new Map(),
  };
}

export const emptyCatalog = (): CatalogState => makeCatalog([], 'none');
