/**
 * Which terms a worker has, and which a task's constraints ask for. Invariant: a worker that may run a lane's tasks has at
 * least one term of each of the lane's sources. Terms narrow a search; `mismatch` and the services decide.
 */
import type { Constraints } from '@rma/protocol/task';
import { largestGpu } from '../placement/resources.js';
import { tierOf, type Worker } from '../worker.js';

/** Of one worker, so many kinds and models are indexed: a worker must not grow the index beyond any measure. */
export const MAX_KINDS = 256;
const MAX_MODELS = 256;
/** VRAM is sorted into classes of powers of two: `class(v) = floor(log2(v))`, at most 2^24 MiB on the wire. */
const MAX_VRAM_CLASS = 24;

export const ONLINE = 'online';
export const kindKey = (kind: string): string => `kind ${kind}`;
/** Of an embedded workload that its assignment has it run in what memory is left. */
export const runsKey = (workload: string): string => `runs ${workload}`;
/** Of a kind whose embedded service is assigned and not up yet. */
export const startingKey = (kind: string): string => `starting ${kind}`;
/** Of a catalogue workload that the worker is eligible for. */
export const eligibleKey = (workload: string): string => `eligible ${workload}`;

const vramClass = (mib: number): number => Math.min(MAX_VRAM_CLASS, 31 - Math.clz32(mib));

/** The terms of a worker beside its kinds: what it is rather than what it serves. */
export function traitKeys(worker: Worker): string[] {
  const { record, services } = worker;
  const keys = [ONLINE, `worker ${record.id}`];
  const tier = tierOf(worker);
  if (tier !== null) keys.push(`tier ${tier}`);
  if (record.trust === 'trusted') keys.push('trusted');
  const vramMiB = largestGpu(record.hardware)?.vramMiB ?? 0;
  if (vramMiB > 0) keys.push(`vram ${vramClass(vramMiB)}`);
  for (const [name, value] of Object.entries(record.labels)) keys.push(`label ${name}=${value}`);
  const models = new Set<string>();
  for (const { service } of services.values()) {
    if (service.state !== 'healthy') continue;
    for (const model of service.models ?? []) if (models.size < MAX_MODELS) models.add(model);
  }
  for (const model of models) keys.push(`model ${model}`);
  return keys;
}

/** For each constraint the terms of which a worker needs one. A tier admits higher ones, VRAM larger ones. */
export function constraintKeys({ worker, labels, model, tier, trust, minVramMiB }: Constraints): string[][] {
  const sources: string[][] = [];
  if (worker !== undefined) sources.push([`worker ${worker}`]);
  for (const [name, value] of Object.entries(labels ?? {})) sources.push([`label ${name}=${value}`]);
  if (model !== undefined) sources.push([`model ${model}`, `model ${model}:latest`]);
  if (tier !== undefined) sources.push(Array.from({ length: tier }, (_, i) => `tier ${i + 1}`));
  if (trust === 'trusted') sources.push(['trusted']);
  if (minVramMiB !== undefined) {
    const from = vramClass(minVramMiB);
    sources.push(Array.from({ length: MAX_VRAM_CLASS - from + 1 }, (_, i) => `vram ${from + i}`));
  }
  return sources;
}
