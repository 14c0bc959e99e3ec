/** The donor's own language models as fixed runtimes: inference servers that run already, and GGUF files. */
import { join } from 'node:path';
import type { Runtime } from '@rma/workloads/runtime';
import { EndpointRuntime } from '../endpoint-runtime/endpoint.js';
import type { EndpointSpec } from '../endpoint-runtime/endpoint-spec.js';
import type { GgufSpec } from '../gguf-runtime/gguf-spec.js';
import { createGgufRuntime } from '../gguf-runtime/runtime.js';
import type { AgentLog } from '../log.js';

export interface LlmOptions {
  readonly endpoints: readonly EndpointSpec[];
  readonly models: readonly GgufSpec[];
}

/** @param stateDir node-llama-cpp may be installed in its directory `llama` */
export function createLlmRuntimes(
  { endpoints, models }: LlmOptions,
  { stateDir, scratch, log }: { readonly stateDir: string; readonly scratch: string; readonly log: AgentLog },
): Runtime[] {
  const packageDir = join(stateDir, 'llama');
  return [
    ...endpoints.map((spec) => new EndpointRuntime(spec, log)),
    ...models.map((model) => createGgufRuntime({ model, scratch, packageDir, log })),
  ];
}

/**
 * The chat server that embedded handlers may call (for the answers of `rag.query`): the first healthy endpoint that has a
 * chat model; undefined where there is none at the moment.
 */
export function chatServerOf(runtimes: readonly Runtime[]): EndpointRuntime['chatServer'] {
  for (const runtime of runtimes) {
    const server = runtime instanceof EndpointRuntime ? runtime.chatServer : undefined;
    if (server !== undefined) return server;
  }
  return undefined;
}
