/**
 * The embedded workloads: what real work a machine does with nothing installed but this package, with the memory and
 * the time that each may take. The figures behind the limits stand beside them.
 */

/** One embedded workload. */
export interface EmbeddedWorkload {
  readonly kinds: readonly string[];
  /** File URL of its module of handlers; none where it is a server of its own. */
  readonly module?: string;
  /** Resident memory of one of its processes above which it is killed; what a server is set up to use. */
  readonly memoryMiB: number;
  /** `cores`: a process a slot, as many as half of the usable cores; a number: inside the agent, so many at once. */
  readonly slots: 'cores' | number;
  /** Wall time for a task that names none. */
  readonly defaultTimeoutMs: number;
  /** It keeps data in the agent's state directory, by SQLite. */
  readonly keepsData?: true;
  /** It makes use of an LLM, where this worker has one. */
  readonly usesLlm?: true;
}

/** The names of the embedded workloads. */
export type EmbeddedWorkloadName =
  | 'echo'
  | 'document'
  | 'ner'
  | 'embed'
  | 'ocr'
  | 'rag'
  | 'vector'
  | 'postgres'
  | 'redis';

const handlers = (name: string): string => new URL(`./${name}/handlers.js`, import.meta.url).href;

/**
 * Name to workload, the lightest first: services are started in this order.
 *
 * Limits come from the peak resident memory (VmHWM) of a handler process, measured on 22 November 2026, Node 20.20, Linux
 * x64, for the largest inputs that each handler takes, with room for a process that has worked before (it is replaced
 * above 0.6 of its limit). What would need more is refused by the handler, before it is read where that can be known.
 *
 * - document, idle 46 MiB: PDF of 19 MB of text 266; DOCX of 10 MB of plain paragraphs 234, of 12 MiB of XML with every
 *   word its own run 961; XLSX of 61 MiB of XML 467; HTML of 10 MiB, all table cells, 509; text of 20 MiB of
 *   one-letter lines 514. The slowest, the PDF, took 50 s on a busy core.
 * - ner, idle 109 MiB: 500,000 characters 173; 25 s of a core, 60 s on a busy one.
 * - embed, idle 171 MiB: 1,000 texts of 300 characters 299 (one to five minutes of a core), 100 of 16,000 287.
 * - rag and vector: not measured at their limits yet; what their parts (document, embed) need, with room for SQLite.
 * - postgres and redis: what they are set up to use (64 MiB of shared buffers and 40 connections; 256 MiB of data and the
 *   copy that a rewrite of the log makes). PGlite holds 350 to 870 MiB.
 * - ocr, idle 129 MiB: a scanned A4 page 159, an image of 40 megapixels 432; dense pages take more.
 */
export const EMBEDDED_WORKLOADS: Readonly<Record<EmbeddedWorkloadName, EmbeddedWorkload>> = {
  echo: { kinds: ['echo'], module: handlers('echo'), memoryMiB: 0, slots: 256, defaultTimeoutMs: 60_000 },
  document: {
    kinds: ['document.extract'],
    module: handlers('document'),
    memoryMiB: 1_280,
    slots: 'cores',
    defaultTimeoutMs: 180_000,
  },
  ner: { kinds: ['ner.extract'], module: handlers('ner'), memoryMiB: 384, slots: 'cores', defaultTimeoutMs: 180_000 },
  embed: {
    kinds: ['text.embed'],
    module: handlers('embed'),
    memoryMiB: 512,
    slots: 'cores',
    defaultTimeoutMs: 600_000,
  },
  ocr: { kinds: ['ocr.read'], module: handlers('ocr'), memoryMiB: 1_024, slots: 'cores', defaultTimeoutMs: 180_000 },
  rag: {
    kinds: ['rag.ingest', 'rag.query', 'rag.delete', 'rag.collections'],
    module: handlers('rag'),
    memoryMiB: 1_280,
    slots: 'cores',
    defaultTimeoutMs: 1_200_000,
    keepsData: true,
    usesLlm: true,
  },
  vector: {
    kinds: ['vector.upsert', 'vector.search', 'vector.delete', 'vector.collections'],
    module: handlers('vector'),
    memoryMiB: 640,
    slots: 'cores',
    defaultTimeoutMs: 600_000,
    keepsData: true,
  },
  postgres: { kinds: ['postgres.query'], memoryMiB: 1_024, slots: 8, defaultTimeoutMs: 60_000, keepsData: true },
  redis: { kinds: ['redis.command'], memoryMiB: 512, slots: 16, defaultTimeoutMs: 60_000, keepsData: true },
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
