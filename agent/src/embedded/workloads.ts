/**
 * The embedded workloads: what real work a machine does with nothing installed but this package. Limits were measured
 * on Node 20 (resident memory after the largest input that the handler takes), then rounded up.
 */

/** One embedded workload. */
export interface EmbeddedWorkload {
  readonly kinds: readonly string[];
  /** File URL of its module of handlers. */
  readonly module: string;
  /** Resident memory of one of its processes above which it is killed. */
  readonly memoryMiB: number;
  /** `cores`: a process a slot, as many as half of the usable cores; a number: inside the agent, so many at once. */
  readonly slots: 'cores' | number;
  /** Wall time for a task that names none. */
  readonly defaultTimeoutMs: number;
}

/** The names of the embedded workloads. */
export type EmbeddedWorkloadName = 'echo' | 'document' | 'ner' | 'embed' | 'ocr';

const handlers = (name: string): string => new URL(`./handlers/${name}.js`, import.meta.url).href;

/** Name to workload, the lightest first: services are started in this order. */
export const EMBEDDED_WORKLOADS: Readonly<Record<EmbeddedWorkloadName, EmbeddedWorkload>> = {
  echo: { kinds: ['echo'], module: handlers('echo'), memoryMiB: 0, slots: 256, defaultTimeoutMs: 60_000 },
  document: {
    kinds: ['document.extract'],
    module: handlers('document'),
    memoryMiB: 1_024,
    slots: 'cores',
    defaultTimeoutMs: 120_000,
  },
  ner: { kinds: ['ner.extract'], module: handlers('ner'), memoryMiB: 768, slots: 'cores', defaultTimeoutMs: 60_000 },
  embed: {
    kinds: ['text.embed'],
    module: handlers('embed'),
    memoryMiB: 768,
    slots: 'cores',
    defaultTimeoutMs: 120_000,
  },
  ocr: { kinds: ['ocr.read'], module: handlers('ocr'), memoryMiB: 1_024, slots: 'cores', defaultTimeoutMs: 180_000 },
};

/** The service of the donor's own handlers. */
export const HANDLERS_SERVICE = 'handlers';

/** Whether a name is that of an embedded workload. */
export function isEmbeddedWorkload(name: string): name is EmbeddedWorkloadName {
  return Object.hasOwn(EMBEDDED_WORKLOADS, name);
}

/** The built-in workload that serves a kind. */
export function workloadOfKind(kind: string): EmbeddedWorkloadName | undefined {
  for (const [name, workload] of Object.entries(EMBEDDED_WORKLOADS)) {
    if (workload.kinds.includes(kind) && isEmbeddedWorkload(name)) return name;
  }
  return undefined;
}
