/** The catalogue and the placement as queries answer them. Read-only: nothing here changes the state. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { CatalogView, PlacementView } from '@rma/protocol/view';
import { runsKey } from '../matching/term-keys.js';
import type { State } from '../state.js';
import { stateOf } from '../view.js';
import { tierOf, type Worker } from '../worker.js';
import { eligibilitiesOf } from './eligibilities.js';
import { explainBinding, explainProgress } from './explain.js';
import { servicesOf } from './node-state.js';

type Cell = PlacementView['workers'][number]['cells'][number];

export function viewCatalog({ catalog }: State): CatalogView {
  return {
    source: catalog.source,
    ...(catalog.refused === null ? {} : { refused: catalog.refused }),
    workloads: catalog.entries.map((entry) => ({
      workload: entry.name,
      title: entry.title,
      tier: entry.tier,
      kinds: [...entry.kinds],
      models: [...entry.models],
      ...(entry.container ? { image: entry.container.image } : {}),
      ...(entry.container?.digest === undefined ? {} : { digest: entry.container.digest }),
      ...(entry.embedded === null ? {} : { embedded: entry.embedded }),
      everywhere: entry.everywhere,
      trusted: entry.trusted,
      stateful: entry.stateful,
      floor: entry.floor,
      ceiling: entry.ceiling,
      idleSeconds: entry.idleSeconds,
    })),
  };
}

export function viewWorkloads(state: State, wallMs: number): PlacementView['workloads'] {
  return state.catalog.entries.map((entry) => {
    const binding = state.bindings.get(entry.name);
    const unmet = state.catalog.unmet.get(entry.name);
    const away = binding && state.workers.get(binding.worker)?.session === 0;
    const replicas = replicasOf(state, entry);
    const waiting = entry.kinds.reduce((sum, kind) => sum + (state.kinds.get(kind)?.queued ?? 0), 0);
    return {
      workload: entry.name,
      title: entry.title,
      kinds: [...entry.kinds],
      floor: entry.floor,
      ceiling: entry.ceiling,
      replicas,
      waiting,
      ...(binding ? { boundTo: binding.worker } : {}),
      ...(away ? { unmet: explainBinding(state, binding.worker, wallMs) } : unmet === undefined ? {} : { unmet }),
    };
  });
}

export function viewPlacedWorker(state: State, worker: Worker, wallMs: number): PlacementView['workers'][number] {
  return {
    worker: worker.record.id,
    name: worker.record.name,
    state: stateOf(worker),
    tier: tierOf(worker),
    cells: state.catalog.entries.map((entry) => cellOf(state, worker, entry, wallMs)),
  };
}

function cellOf(state: State, worker: Worker, entry: CatalogEntry, wallMs: number): Cell {
  const workload = entry.name;
  const placed = worker.placed.get(workload);
  const live = servicesOf(worker, entry)[0];
  if (placed) {
    if (live?.service.state === 'healthy') return { workload, status: 'runs', reason: placed.reason };
    const failing = live?.service.state === 'unhealthy' || live?.service.state === 'stopped';
    const reason = explainProgress(state, entry, worker, live, wallMs);
    return { workload, status: failing ? 'failing' : 'starting', reason };
  }
  const bestEffort = worker.assignment.workloads.find((one) => one.workload === entry.embedded && !one.container);
  if (entry.everywhere && bestEffort) return { workload, status: 'embedded', reason: bestEffort.reason };
  const binding = state.bindings.get(workload);
  if (binding && binding.worker !== worker.record.id) {
    return { workload, status: 'cannot', reason: `its data is on ${binding.worker}` };
  }
  const eligibility = eligibilitiesOf(state, worker).get(workload);
  if (!eligibility?.ok) return { workload, status: 'cannot', reason: eligibility?.reason ?? 'cannot run it' };
  if (worker.session === 0) return { workload, status: 'cannot', reason: 'is not here' };
  const unmet = state.catalog.unmet.get(workload);
  const how = eligibility.runtime === 'docker' ? 'in a container' : 'embedded';
  return {
    workload,
    status: 'could',
    reason: unmet === undefined ? `${how}; nothing asks for it` : `${how}; ${unmet}`,
  };
}

/** Online workers where placement put it or, for one that runs everywhere, that run it in what memory they have left. */
function replicasOf({ index }: State, entry: CatalogEntry): number {
  const everywhere = entry.everywhere && entry.embedded !== null ? runsKey(entry.embedded) : undefined;
  let replicas = everywhere === undefined ? 0 : (index.terms.find(everywhere)?.postings.length ?? 0);
  for (const worker of index.placed) {
    if (worker.session === 0 || !worker.placed.has(entry.name)) continue;
    if (everywhere === undefined || !index.hasTerm(worker, everywhere)) replicas++;
  }
  return replicas;
}
