/**
 * The catalogue: what can run in the pool. Each entry names a container, an embedded workload of the agent, or both;
 * what it needs; which task kinds it serves; and how many of it are wanted.
 */
import { type Static, type TSchema, Type } from 'typebox';
import { oneOf } from './one-of.js';
import { plainText } from './plain-text.js';
import { Kind, Trust } from './task.js';
import { ContainerSpec } from './workload.js';

export const WorkloadName = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]{0,31}$',
  description: 'lower-case letters, digits and hyphens, such as vllm-chat',
});

const Seconds = Type.Integer({ minimum: 1, maximum: 2_592_000 });
const Count = Type.Integer({ minimum: 0, maximum: 10_000 });

/** Kinds and slots stand in the entry: they hold for its embedded form, too. */
const CatalogContainer = Type.Omit(ContainerSpec, ['kinds', 'slots']);

const Entry = Type.Object({
  title: plainText(200, 1),
  tier: Type.Optional(Type.Integer({ minimum: 1, maximum: 3, description: 'what a machine must at least be of' })),
  container: Type.Optional(CatalogContainer),
  embedded: Type.Optional(
    Type.Unsafe<string>({ ...WorkloadName, description: 'the workload of the agent that does the same' }),
  ),
  prefer: Type.Optional(oneOf(['container', 'embedded'], { description: 'where both can run; default container' })),
  everywhere: Type.Optional(
    Type.Boolean({ description: 'the embedded form runs on every machine that brings it, as far as it fits' }),
  ),
  kinds: Type.Array(Kind, { maxItems: 64 }),
  models: Type.Optional(Type.Array(plainText(256, 1), { minItems: 1, maxItems: 64 })),
  slots: Type.Optional(Type.Integer({ minimum: 1, maximum: 4_096, description: 'tasks at once; default 1' })),
  trust: Type.Optional(Trust),
  stateful: Type.Optional(Type.Boolean({ description: 'stays on the worker that holds its data' })),
  wholeGpu: Type.Optional(Type.Boolean({ description: 'takes all of the GPU memory that it finds' })),
  replicas: Type.Optional(Type.Object({ floor: Type.Optional(Count), ceiling: Type.Optional(Count) })),
  idleSeconds: Type.Optional(Seconds),
  minRunSeconds: Type.Optional(Seconds),
});

/** As people write it. {@link CatalogEntry} is what becomes of an entry. */
export const Catalog = strict(
  Type.Object({
    version: Type.Literal(1),
    workloads: Type.Record(WorkloadName, Entry, { maxProperties: 64, additionalProperties: false }),
  }),
);
export type CatalogSource = { version: 1; workloads: Record<string, Static<typeof Entry>> };

/** An entry with every default filled in. */
export interface CatalogEntry {
  readonly name: string;
  readonly title: string;
  readonly tier: 1 | 2 | 3 | null;
  readonly container: ContainerSpec | null;
  readonly embedded: string | null;
  readonly prefer: 'container' | 'embedded';
  readonly everywhere: boolean;
  readonly kinds: readonly string[];
  readonly models: readonly string[];
  readonly trusted: boolean;
  readonly stateful: boolean;
  readonly wholeGpu: boolean;
  readonly floor: number;
  readonly ceiling: number;
  /** Unloaded after so long without work; 0 for only when its room is needed. */
  readonly idleSeconds: number;
  readonly minRunSeconds: number;
}

export interface CatalogFault {
  /** Of the value, as keys from the top. */
  readonly path: readonly string[];
  readonly message: string;
}

/** Kinds that only trusted machines serve: they hold other people's documents. */
export const isTrustedKind = (kind: string): boolean => kind.startsWith('rag.') || kind.startsWith('vector.');

/** What a schema cannot say. */
export function faultsOf(source: CatalogSource): CatalogFault[] {
  const faults: CatalogFault[] = [];
  for (const [name, entry] of Object.entries(source.workloads)) {
    const fault = (message: string, ...path: string[]) => faults.push({ path: ['workloads', name, ...path], message });
    const { container, embedded, replicas } = entry;
    if (!container && embedded === undefined) fault('needs a container, an embedded workload, or both');
    if (entry.everywhere && embedded === undefined) fault('only an embedded workload can run everywhere', 'everywhere');
    if (entry.stateful && entry.everywhere) fault('what has state runs in one place, not everywhere', 'everywhere');
    if (entry.stateful && (replicas?.ceiling ?? 1) > 1) {
      fault('what has state runs once: its ceiling is at most 1', 'replicas', 'ceiling');
    }
    if (replicas?.ceiling !== undefined && (replicas.floor ?? 0) > replicas.ceiling) {
      fault(`the floor ${replicas.floor} is above the ceiling ${replicas.ceiling}`, 'replicas', 'floor');
    }
    if (entry.stateful && (replicas?.floor ?? 0) > 1) {
      fault('what has state runs once: its floor is at most 1', 'replicas', 'floor');
    }
    if (entry.trust === 'community' && entry.kinds.some(isTrustedKind)) {
      fault('rag.* and vector.* hold documents: they are for trusted machines only', 'trust');
    }
    if (!container) {
      if (entry.wholeGpu) fault('only a container gets a GPU', 'wholeGpu');
      continue;
    }
    const { gpu, resources, port, api, requests, health } = container;
    if (gpu && !resources.vramMiB) fault('a GPU workload must say how much vramMiB it needs', 'container', 'resources');
    if (!gpu && (resources.vramMiB || entry.wholeGpu)) fault('has no GPU: set gpu, or leave the VRAM out', 'container');
    if (gpu && entry.tier !== 1) fault('a GPU workload is of tier 1', entry.tier === undefined ? 'container' : 'tier');
    if (entry.kinds.length > 0 && api === undefined) {
      fault('serves task kinds, so it needs an api: openai, rma or http', 'container');
    }
    if (entry.kinds.length > 0 && port === undefined) fault('serves task kinds, so it needs a port', 'container');
    if (port === undefined && (health?.http !== undefined || health?.tcp)) {
      fault('a health check over http or tcp needs a port', 'container', 'health');
    }
    if (api === 'http') {
      for (const kind of entry.kinds) {
        if (!requests?.[kind]) fault(`says api: http, so requests must map ${kind}`, 'container', 'requests');
      }
    }
  }
  return faults;
}

export function entriesOf(source: CatalogSource): CatalogEntry[] {
  return Object.entries(source.workloads).map(([name, entry]) => {
    const { container, kinds } = entry;
    const floor = entry.replicas?.floor ?? 0;
    const dataService = kinds.length === 0;
    return {
      name,
      title: entry.title,
      tier: (entry.tier as 1 | 2 | 3 | undefined) ?? null,
      container: container ? { ...container, kinds, slots: dataService ? 0 : (entry.slots ?? 1) } : null,
      embedded: entry.embedded ?? null,
      prefer: entry.prefer ?? (entry.everywhere ? 'embedded' : 'container'),
      everywhere: entry.everywhere ?? false,
      kinds,
      models: entry.models ?? [],
      trusted: entry.trust === undefined ? dataService || kinds.some(isTrustedKind) : entry.trust === 'trusted',
      stateful: entry.stateful ?? false,
      wholeGpu: entry.wholeGpu ?? false,
      floor,
      ceiling: entry.replicas?.ceiling ?? Math.max(1, floor),
      idleSeconds: entry.idleSeconds ?? 0,
      minRunSeconds: entry.minRunSeconds ?? 60,
    };
  });
}

/** The same schema, with no fields but those that it names: a typing error in a file must not pass for silence. */
function strict<S extends TSchema>(schema: S): S {
  const close = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(close);
    if (typeof value !== 'object' || value === null) return value;
    const copy = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, close(one)]));
    return 'properties' in copy && !('additionalProperties' in copy) ? { ...copy, additionalProperties: false } : copy;
  };
  return close(schema) as S;
}
