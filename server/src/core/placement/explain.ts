/** Why tasks of a catalogue kind that no worker serves yet have to wait: what is starting where, or what is missing. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { Constraints } from '@rma/protocol/task';
import { sampleOf } from '../matching/sample.js';
import { constraintKeys, eligibleKey, ONLINE } from '../matching/term-keys.js';
import type { State } from '../state.js';
import { type LiveService, mismatch, type Worker } from '../worker.js';
import { eligibilitiesOf } from './eligibilities.js';
import { servicesOf } from './node-state.js';

/** Undefined for a kind that is not in the catalogue, or that is served wherever it fits. */
export function explainUnserved(
  state: State,
  kind: string,
  constraints: Constraints,
  wallMs: number,
): string | undefined {
  const { model } = constraints;
  const ofKind = state.catalog.entries.filter((entry) => entry.kinds.includes(kind));
  const serving = ofKind.filter((entry) => model === undefined || entry.models.includes(model));
  if (ofKind.length > 0 && serving.length === 0) {
    const models = ofKind.flatMap(({ models }) => models);
    const has = models.length > 0 ? `; the catalogue has ${models.join(', ')}` : '';
    return `no worker serves the model ${model}${has}: waits for one that does`;
  }
  for (const entry of serving) {
    const starting = explainStarting(state, entry, constraints, wallMs);
    if (starting !== undefined) return starting;
  }
  // What runs wherever it fits waits for a machine rather than for placement.
  const wanted = serving.filter(({ everywhere }) => !everywhere);
  if (wanted.length === 0) return undefined;
  const texts = new Map<string, string[]>();
  for (const entry of wanted) {
    const text = explainMissing(state, entry, constraints, wallMs);
    texts.set(text, [...(texts.get(text) ?? []), entry.name]);
  }
  return [...texts].map(([text, names]) => text.replace(NAME, listed(names))).join('; ');
}

/** Placeholder for the names, so that equal sentences about several workloads become one. */
const NAME = '{workload}';

function listed(names: readonly string[]): string {
  const last = names[names.length - 1] ?? '';
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} or ${last}` : last;
}

function explainStarting(
  state: State,
  entry: CatalogEntry,
  constraints: Constraints,
  wallMs: number,
): string | undefined {
  for (const worker of state.index.placed) {
    if (!worker.placed.has(entry.name) || worker.session === 0 || mismatch(worker, constraints) !== undefined) continue;
    const live = servicesOf(worker, entry)[0];
    if (live?.service.state === 'healthy') continue;
    return explainProgress(state, entry, worker, live, wallMs);
  }
  return undefined;
}

/** How far a replica is on its way to healthy, with an estimate. */
export function explainProgress(
  state: State,
  entry: CatalogEntry,
  worker: Worker,
  live: LiveService | undefined,
  wallMs: number,
): string {
  const where = `on ${nameOf(worker)}`;
  if (worker.policy?.paused) return `${entry.name} is assigned ${where}, which its donor paused`;
  const service = live?.service;
  const head = `${entry.name} is being started ${where}`;
  if (!service || service.state === 'pending' || service.state === 'stopped') {
    return `${head}${service?.reason ? `: ${service.reason}` : ''}`;
  }
  if (service.state === 'unhealthy')
    return `${entry.name} is unhealthy ${where}${service.reason ? `: ${service.reason}` : ''}`;
  const startMs = state.catalog.startMs.get(entry.name) ?? 0;
  if (service.state !== 'pulling') {
    const leftMs = startMs - (wallMs - live.sinceMs);
    return `${head}: starting${leftMs > 0 ? `, about ${Math.ceil(leftMs / 1_000)} s left` : ''}`;
  }
  const { pull } = service;
  if (!pull) return `${head}: pulling its image`;
  if (!pull.totalBytes) return `${head}: pulling, ${Math.floor(pull.bytes / 1_048_576)} MiB so far`;
  const percent = Math.floor((100 * Math.min(pull.bytes, pull.totalBytes)) / pull.totalBytes);
  const pulled = pull.bytes - (live.pull?.fromBytes ?? pull.bytes);
  const tookMs = wallMs - (live.pull?.fromMs ?? wallMs);
  const leftMs = pulled > 0 && tookMs > 0 ? ((pull.totalBytes - pull.bytes) / pulled) * tookMs + startMs : 0;
  return `${head}: pulling ${percent} %${leftMs > 0 ? `, about ${Math.ceil(leftMs / 1_000)} s left` : ''}`;
}

/** Why a wanted workload has no replica, with {@link NAME} for its name. */
function explainMissing(state: State, entry: CatalogEntry, constraints: Constraints, wallMs: number): string {
  const binding = state.bindings.get(entry.name);
  if (binding) return `${NAME} is unavailable: ${explainBinding(state, binding.worker, wallMs)}`;
  const { online } = state.index.counts;
  const able = sampleOf(state, [[eligibleKey(entry.name)], ...requirements(constraints)]).workers.some(
    (worker) => mismatch(worker, constraints) === undefined,
  );
  const { workers } = sampleOf(state, [[ONLINE], ...requirements(constraints)]);
  const reasons = new Map<string, number>();
  for (const worker of workers) {
    const eligibility = eligibilitiesOf(state, worker).get(entry.name);
    const reason = mismatch(worker, constraints) ?? (eligibility?.ok === false ? eligibility.reason : undefined);
    if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const parts = [...reasons].map(([reason, n]) => `${n} ${reason}`);
  const count = `${online} ${online === 1 ? 'worker' : 'workers'} online`;
  if (!able) {
    const looked = workers.length < online ? `of ${workers.length} looked at, ` : '';
    const why = parts.length > 0 ? ` (${looked}${parts.join(', ')})` : '';
    return `none of ${count} can run ${NAME}${why}: waits for one that can`;
  }
  const unmet = state.catalog.unmet.get(entry.name);
  if (unmet !== undefined) return `${NAME} waits for room: ${unmet}`;
  return state.frozenUntilMs > 0 && state.placedAtMs < state.frozenUntilMs
    ? `${NAME} is to be started once the workers of before the restart are back`
    : `${NAME} is about to be placed`;
}

/** What tasks require of a worker that does not run the workload yet: all but its model. */
function requirements({ model: _model, ...ofWorker }: Constraints): string[][] {
  return constraintKeys(ofWorker);
}

/** Why a workload bound to a worker is not available. */
export function explainBinding(state: State, id: string, wallMs: number): string {
  const worker = state.workers.get(id);
  if (!worker) return `${id}, which holds its data, is gone`;
  const name = nameOf(worker);
  if (worker.session !== 0) return `its data is on ${name}, which does not run it now`;
  const at = new Date(worker.record.lastSeenAt).toISOString();
  const when = wallMs - worker.record.lastSeenAt < 86_400_000 ? at.slice(11, 16) : at.slice(0, 16).replace('T', ' ');
  return `${name} is offline since ${when} UTC, and its data is there`;
}

export function nameOf({ record }: Worker): string {
  return record.name === record.id ? record.id : `${record.name} (${record.id})`;
}
