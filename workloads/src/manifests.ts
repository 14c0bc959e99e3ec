/**
 * The one list of workloads. Agent, coordinator, dashboard and the tests of the docs derive from it every kind's name,
 * limits and examples. Pure, and loads no handler.
 */
import { containerKinds } from './container-run/manifest.js';
import { document } from './document/manifest.js';
import { echo } from './echo/manifest.js';
import { embed } from './embed/manifest.js';
import { chatKinds } from './llm-chat/manifest.js';
import type { KindManifest, WorkloadManifest } from './manifest.js';
import { ner } from './ner/manifest.js';
import { ocr } from './ocr/manifest.js';
import { postgres } from './postgres/manifest.js';
import { rag } from './rag/manifest.js';
import { redis } from './redis/manifest.js';
import { split } from './split/manifest.js';
import { vector } from './vector/manifest.js';

const ALL = [echo, split, document, ner, embed, ocr, rag, vector, postgres, redis] as const;

/** The manifest of one of them, discriminated by `host`. */
export type Workload = (typeof ALL)[number];

/** The embedded workloads, the lightest first: services are started in this order. */
export const MANIFESTS: readonly Workload[] = ALL;
export const WORKLOAD_NAMES: readonly string[] = ALL.map(({ name }) => name);

/** The service of the donor's own handlers. */
export const HANDLERS_SERVICE = 'handlers';

/** Every kind that comes with the project, those of the agent's other runtimes included. */
export const KINDS: ReadonlyMap<string, KindManifest> = new Map([
  ...MANIFESTS.flatMap(({ kinds }) => Object.entries(kinds)),
  ...Object.entries(chatKinds),
  ...Object.entries(containerKinds),
]);

/**
 * Kinds of the workloads that keep no data, which any worker may serve: tasks of these queue before the first worker has
 * joined and without an entry in the catalogue.
 */
export const BUILT_IN_KINDS: readonly string[] = MANIFESTS.filter(({ keepsData }) => !keepsData).flatMap(kindsOf);

export function manifestOf(name: string): Workload | undefined {
  return MANIFESTS.find((manifest) => manifest.name === name);
}

/** The embedded workload that serves a kind. */
export function manifestOfKind(kind: string): Workload | undefined {
  return MANIFESTS.find(({ kinds }) => Object.hasOwn(kinds, kind));
}

/** The names of the kinds that a workload serves. */
export function kindsOf(manifest: WorkloadManifest): readonly string[] {
  return Object.keys(manifest.kinds);
}

/** The limit at which a process is killed is more than twice what it holds in the usual case. */
const USUAL_SHARE = 0.4;

/** What one slot takes of a machine in the usual case; placement reserves it. */
export function usualNeedsOf({ slots, memoryMiB }: WorkloadManifest): { cores: number; memoryMiB: number } {
  return { cores: slots === 'cores' ? 1 : 0, memoryMiB: Math.ceil(memoryMiB * USUAL_SHARE) };
}
