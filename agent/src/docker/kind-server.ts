/** The port through which tasks reach a container: one implementation per `api` of the wire. */
import type { Execution, Job, JobListener } from '@rma/workloads/runtime';

export interface KindServer {
  /** Its container is healthy, at `http://HOST:PORT`. */
  open(baseUrl: string): void;
  /** It is unreachable: running tasks fail as retryable. */
  close(): void;
  /** Models of an LLM server; empty for others. */
  models(): readonly string[];
  execute(job: Job, listener: JobListener): Execution;
}

/** @param changed called when `models()` changes */
export type KindServerFactory = (changed: () => void) => KindServer;
