/** Catalogue entries and machines with engines, for tests: defaults for all that a test does not name. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { ContainerSpec, Engine } from '@rma/protocol/workload';
import type { Pool } from '../harness.js';
import { type WorkerOptions, WorkerPeer } from '../peer.js';

/** Placement runs at most so often. */
const PLACED_MS = 300;

export const ENGINE: Engine = { name: 'docker', version: '27', gpu: false, diskFreeMiB: 100_000 };

export function container(resources: Partial<ContainerSpec['resources']> = {}, gpu = false): ContainerSpec {
  return {
    image: 'registry.example/thing:1',
    gpu,
    resources: { cores: 1, memoryMiB: 256, ...resources },
    port: 8000,
    api: 'rma',
    kinds: [],
    slots: 1,
    network: false,
  };
}

/** A workload in a container that serves the kind `NAME.run`. */
export function entry(name: string, fields: Partial<CatalogEntry> = {}): CatalogEntry {
  const kinds = fields.kinds ?? [`${name}.run`];
  return {
    name,
    title: name,
    tier: null,
    container: { ...container(), kinds: [...kinds] },
    embedded: null,
    prefer: 'container',
    everywhere: false,
    kinds,
    models: [],
    trusted: false,
    stateful: false,
    wholeGpu: false,
    floor: 0,
    ceiling: 1,
    idleSeconds: 0,
    minRunSeconds: 60,
    ...fields,
  };
}

export function useCatalog(pool: Pool, ...entries: CatalogEntry[]): void {
  pool.push({ type: 'catalog', entries, source: 'test', changed: true });
  pool.settle();
  pool.advance(PLACED_MS);
}

/** A worker that joined, once placement has had its turn. */
export function join(pool: Pool, options: WorkerOptions): WorkerPeer {
  const worker = new WorkerPeer(pool, options);
  pool.advance(PLACED_MS);
  return worker;
}
