/** The catalogue as the core holds it, with what the last run of placement found about it. */
import type { CatalogEntry } from '@rma/protocol/catalog';

export interface Supply {
  /** Slots that serve a lane's tasks now; an estimate where more workers serve its kind than are looked at. */
  readonly slots: number;
  /** A best-effort service that will serve them is still starting. */
  readonly serviceStarting: boolean;
  /** Of the index, when it was looked at: while it stays, so does the supply. */
  readonly version: number;
}

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
  /** By lane id: what its tasks are served by, as last looked at. */
  readonly supplies: Map<number, Supply>;
  /** Where the next run begins among the lanes that wait, and among the workers that it looks at. */
  demandAt: number;
  lookAt: number;
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
    supplies: new Map(),
    demandAt: 0,
    lookAt: 0,
    startMs: new Map(),
  };
}

export const emptyCatalog = (): CatalogState => makeCatalog([], 'none');
