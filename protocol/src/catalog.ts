/**
 * The catalogue: what can run in the pool. Each entry names a container, an embedded workload of the agent, or both;
 * what it needs; which task kinds it serves; and its minimum and maximum number of replicas.
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

/** Kinds and slots are fields of the entry: they apply to its embedded form, too. */
const CatalogContainer = Type.Omit(ContainerSpec, ['kinds', 'slots']);

const Entry = Type.Object({
  title: plainText(200, 1),
  tier: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 3, description: 'the lowest tier of machine that may run it' }),
  ),
  container: Type.Optional(CatalogContainer),
  embedded: Type.Optional(
    Type.Unsafe<string>({
      ...WorkloadName,
      description: 'the embedded workload of the agent that serves the same kinds',
    }),
  ),
  prefer: Type.Optional(
    oneOf(['container', 'embedded'], { description: 'which form to run where both can; default container' }),
  ),
  everywhere: Type.Optional(
    Type.Boolean({
      description: 'the embedded form runs on every machine whose agent has it and whose resources admit it',
    }),
  ),
  kinds: Type.Array(Kind, { maxItems: 64 }),
  models: Type.Optional(Type.Array(plainText(256, 1), { minItems: 1, maxItems: 64 })),
  slots: Type.Optional(Type.Integer({ minimum: 1, maximum: 4_096, description: 'tasks at once; default 1' })),
  trust: Type.Optional(Trust),
  stateful: Type.Optional(Type.Boolean({ description: 'stays on the worker that holds its data' })),
  wholeGpu: Type.Optional(Type.Boolean({ description: 'reserves all free GPU memory' })),
  replicas: Type.Optional(Type.Object({ floor: Type.Optional(Count), ceiling: Type.Optional(Count) })),
  idleSeconds: Type.Optional(Seconds),
  minRunSeconds: Type.Optional(Seconds),
});

/** The file's schema. {@link CatalogEntry} is an entry with its defaults. */
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
  /** Stopped after so long without work; 0: only when its resources are needed. */
  readonly idleSeconds: number;
  readonly minRunSeconds: number;
}

export interface CatalogProblem {
  /** Keys from the top of the document to the value. */
  readonly path: readonly string[];
  readonly message: string;
}

/** Kinds that only trusted machines serve: they hold other people's data. */
export const isTrustedKind = (kind: string): boolean => /^(rag|vector|postgres|redis)\./.test(kind);

/** The rules between fields, which the schema cannot express. */
export function problemsOf(source: CatalogSource): CatalogProblem[] {
  const problems: CatalogProblem[] = [];
  for (const [name, entry] of Object.entries(source.workloads)) {
    const problem = (message: string, ...path: string[]) =>
      problems.push({ path: ['workloads', name, ...path], message });
    const { container, embedded, replicas } = entry;
    if (!container && embedded === undefined) problem('needs a container, an embedded workload, or both');
    if (entry.everywhere && embedded === undefined)
      problem('only an embedded workload can run everywhere', 'everywhere');
    if (entry.stateful && entry.everywhere) problem('what has state runs in one place, not everywhere', 'everywhere');
    if (entry.stateful && (replicas?.ceiling ?? 1) > 1) {
      problem('what has state runs once: its ceiling is at most 1', 'replicas', 'ceiling');
    }
    if (replicas?.ceiling !== undefined && (replicas.floor ?? 0) > replicas.ceiling) {
      problem(`the floor ${replicas.floor} is above the ceiling ${replicas.ceiling}`, 'replicas', 'floor');
    }
    if (entry.stateful && (replicas?.floor ?? 0) > 1) {
      problem('what has state runs once: its floor is at most 1', 'replicas', 'floor');
    }
    if (entry.trust === 'community' && entry.kinds.some(isTrustedKind)) {
      problem('rag.*, vector.*, postgres.* and redis.* hold data: they are for trusted machines only', 'trust');
    }
    if (!container) {
      if (entry.wholeGpu) problem('only a container gets a GPU', 'wholeGpu');
      continue;
    }
    const { gpu, resources, port, api, requests, health } = container;
    if (gpu && !resources.vramMiB)
      problem('a GPU workload must give the vramMiB that it needs', 'container', 'resources');
    if (!gpu && (resources.vramMiB || entry.wholeGpu))
      problem('has no GPU: set gpu, or leave the VRAM out', 'container');
    if (gpu && entry.tier !== 1)
      problem('a GPU workload is of tier 1', entry.tier === undefined ? 'container' : 'tier');
    if (entry.kinds.length > 0 && api === undefined) {
      problem('serves task kinds, so it needs an api: openai, rma or http', 'container');
    }
    if (entry.kinds.length > 0 && port === undefined) problem('serves task kinds, so it needs a port', 'container');
    if (port === undefined && (health?.http !== undefined || health?.tcp)) {
      problem('a health check over http or tcp needs a port', 'container', 'health');
    }
    if (api === 'http') {
      for (const kind of entry.kinds) {
        if (!requests?.[kind]) problem(`has api: http, so requests must map ${kind}`, 'container', 'requests');
      }
    }
  }
  return problems;
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

/** The schema without additional properties: a misspelt field of the file must be reported, not ignored. */
function strict<S extends TSchema>(schema: S): S {
  const close = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(close);
    if (typeof value !== 'object' || value === null) return value;
    const copy = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, close(one)]));
    return 'properties' in copy && !('additionalProperties' in copy) ? { ...copy, additionalProperties: false } : copy;
  };
  return close(schema) as S;
}
