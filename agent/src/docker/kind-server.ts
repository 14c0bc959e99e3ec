/** How tasks reach what runs in a container; one implementation for each `api` of the wire. */
import type { Execution, Job, JobListener } from '@rma/workloads/runtime';

export interface KindServer {
  /** Its container is healthy, at `http://HOST:PORT`. */
  open(baseUrl: string): void;
  /** It is not reached any more: what runs fails, and may be tried again. */
  close(): void;
  /** Of an LLM server. */
  models(): readonly string[];
  execute(job: Job, listener: JobListener): Execution;
}

/** Makes the one of an API; `changed` when `models()` would answer differently. */
export type KindServerFactory = (changed: () => void) => KindServer;
