/**
 * What a workload declares about itself, without loading any of its code: a manifest imports nothing but this file, so
 * the coordinator and the dashboard can read it without the handlers' libraries. Pure.
 */
import type { CatalogSource } from '@rma/protocol/catalog';

/** JSON Schema (draft 2020-12) of a value as the JSON encoding writes it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A call to begin with: valid by the kind's input schema, shown by "Try it" and the docs. */
export interface Example {
  readonly input: unknown;
  /** A file of the checkout that goes into the field `file`, as `rma submit --file` sends it. */
  readonly file?: string;
}

/** How "Try it" asks for an input. */
export interface InputForm {
  readonly group: string;
  /** `file`: a file and further fields; `text`: the field `text` alone; `json`: any value. */
  readonly mode: 'file' | 'text' | 'json';
  /** For `file`: what the file field accepts, as HTML's `accept` has it. */
  readonly accept?: string;
  /** For `file`: the name shown while no file is chosen yet. */
  readonly fileName?: string;
}

/** One task kind. */
export interface KindManifest {
  /** What it does, in one sentence. */
  readonly about: string;
  readonly input: JsonSchema;
  readonly output: JsonSchema;
  readonly examples: readonly [Example, ...Example[]];
  /** Absent where "Try it" offers the kind only once a worker serves it, as plain JSON. */
  readonly form?: InputForm;
}

/** The workload's entry in the catalogue that comes with the project, but for the fields that its manifest has already. */
export type CatalogDefaults = Omit<CatalogSource['workloads'][string], 'embedded' | 'kinds'> & {
  /** The kinds that its container serves; all of the manifest's, unless given. */
  readonly kinds?: string[];
};

/**
 * Where handlers run. `processes`: in child processes, for what loads models or parses files; `agent`: inside the agent,
 * for light handlers that stop on their signal; `server`: inside the agent, which passes queries on to a server program.
 */
export type Host = 'processes' | 'agent' | 'server';

/** One embedded workload. */
export interface WorkloadManifest<Name extends string = string, Kind extends string = string, H extends Host = Host> {
  readonly name: Name;
  readonly host: H;
  /** Tasks at once; `cores`: half of the cores that the agent may use. */
  readonly slots: 'cores' | number;
  /** Resident memory of one of its processes above which it is killed, in MiB; what a server is configured to use. */
  readonly memoryMiB: number;
  /** Wall time of a task that names none. */
  readonly defaultTimeoutMs: number;
  /** It keeps data in the agent's state directory, so only trusted workers serve it. */
  readonly keepsData?: true;
  /** It makes use of an LLM where the worker has one. */
  readonly usesLlm?: true;
  readonly kinds: Readonly<Record<Kind, KindManifest>>;
  /** Absent where the catalogue has no entry of it. */
  readonly catalog?: CatalogDefaults;
}

/** Types a manifest by its own name, kinds and host. */
export function defineWorkload<const Name extends string, Kind extends string, const H extends Host>(
  manifest: WorkloadManifest<Name, Kind, H>,
): WorkloadManifest<Name, Kind, H> {
  return manifest;
}

/** Types kinds that the agent serves by other means than an embedded workload. */
export function defineKinds<Kind extends string>(
  kinds: Readonly<Record<Kind, KindManifest>>,
): Readonly<Record<Kind, KindManifest>> {
  return kinds;
}

/** The fields that a handler reads; it ignores others. */
export function inputOf(properties: Readonly<Record<string, JsonSchema>>, required: readonly string[]): JsonSchema {
  return { type: 'object', properties, required };
}

/** An output of these fields and no others. */
export function outputOf(
  properties: Readonly<Record<string, JsonSchema>>,
  optional: Readonly<Record<string, JsonSchema>> = {},
): JsonSchema {
  const required = Object.keys(properties);
  return { type: 'object', properties: { ...properties, ...optional }, required, additionalProperties: false };
}

export function listOf(items: JsonSchema, bounds: { minItems?: number; maxItems?: number } = {}): JsonSchema {
  return { type: 'array', items, ...bounds };
}

/** A text with something in it. */
export function textOf(maxLength: number): JsonSchema {
  return { type: 'string', minLength: 1, maxLength, pattern: '\\S' };
}

export const STRING: JsonSchema = { type: 'string' };
export const COUNT: JsonSchema = { type: 'integer', minimum: 0 };
export const NUMBER: JsonSchema = { type: 'number' };
export const BOOLEAN: JsonSchema = { type: 'boolean' };
/** Fields that the sender chooses. */
export const ANY_MAP: JsonSchema = { type: 'object' };
/** Bytes as the JSON encoding writes them; `bin` in MessagePack. */
export const BYTES: JsonSchema = outputOf({ $bytes: { type: 'string', contentEncoding: 'base64' } });
/** A file's name and media type; they distinguish forms of text. */
export const NAME_AND_TYPE = { name: textOf(1_024), type: textOf(1_024) } as const;

/** The container form of an embedded workload: the same handlers behind the task server. */
export function taskServerContainer(
  workload: string,
  { slots, memoryMiB, diskMiB }: { slots: number; memoryMiB: number; diskMiB: number },
): NonNullable<CatalogDefaults['container']> {
  const port = 8_000;
  return {
    image: 'rma-cpu-worker:latest',
    gpu: false,
    resources: { cores: 1, memoryMiB, diskMiB },
    command: [
      'rma-task-server',
      '--workload',
      workload,
      '--host',
      '0.0.0.0',
      '--port',
      String(port),
      '--slots',
      String(slots),
    ],
    port,
    health: { http: '/health' },
    api: 'rma',
    network: false,
  };
}

/** Of stateless workloads: on every machine that brings them, in containers elsewhere as tasks ask for them. */
export function statelessDefaults(workload: string, title: string, memoryMiB: number): CatalogDefaults {
  return {
    title,
    everywhere: true,
    slots: 1,
    tier: 2,
    replicas: { ceiling: 16 },
    idleSeconds: 1_800,
    container: taskServerContainer(workload, { slots: 1, memoryMiB, diskMiB: 1_500 }),
  };
}
