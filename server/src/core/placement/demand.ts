/** What waits, as placement's input: a demand for each lane of the catalogue's kinds that has queued tasks. */
import { type Lane, queuedIn } from '../lane.js';
import { fewestKnown, searchOf } from '../matching/lane-search.js';
import { sizeOf } from '../matching/term.js';
import { kindKey, startingKey } from '../matching/term-keys.js';
import type { State } from '../state.js';
import type { Turn } from '../turn.js';
import { acceptsTasks, mismatch, serves } from '../worker.js';
import type { Candidates } from './candidates.js';
import type { CatalogState, Supply } from './catalog-state.js';
import { BACKLOG_FACTOR, BACKLOG_MS } from './place.js';
import type { Demand } from './plan.js';

/** Workers that are looked at for the supply of one lane. */
const LOOKS = 256;

/** Demands that one run tries to meet; those behind come first in the next. */
const DEMANDS = 32;

/** Demands that nothing meets yet, and whether there are more. */
export interface Demands {
  readonly demands: readonly Demand[];
  readonly partial: boolean;
}

/**
 * Also keeps `catalog.backlogSince`: the lanes for which `queued > slots * BACKLOG_FACTOR > 0`, and since when. Once the run
 * has looked at enough workers, lanes keep the supply of before, or wait for the next run if they have none.
 */
export function demandsOf({ state, batch }: Turn, candidates: Candidates): Demands {
  const { catalog } = state;
  const lanes = waitingLanes(state);
  const demands: Demand[] = [];
  let next: number | undefined;
  for (let i = 0; i < lanes.length; i++) {
    const at = (catalog.demandAt + i) % lanes.length;
    const lane = lanes[at]!;
    const supply = supplyOf(state, lane, candidates);
    if (!supply || demands.length >= DEMANDS) next ??= at;
    if (!supply) continue;
    const { slots, serviceStarting } = supply;
    const backlogMs = backlogOf(catalog, lane, slots, batch.nowMs);
    if (serviceStarting || (slots > 0 && backlogMs < BACKLOG_MS) || demands.length >= DEMANDS) continue;
    demands.push(demandOf(state, lane, supply, backlogMs, candidates));
  }
  catalog.demandAt = next ?? 0;
  for (const map of [catalog.backlogSince, catalog.supplies]) {
    for (const id of map.keys()) {
      const lane = state.lanes.get(id);
      if (!lane || queuedIn(lane) === 0) map.delete(id);
    }
  }
  return { demands, partial: next !== undefined };
}

/** Ms since which `queued > slots * BACKLOG_FACTOR > 0`. */
function backlogOf({ backlogSince }: CatalogState, lane: Lane, slots: number, nowMs: number): number {
  if (slots === 0 || queuedIn(lane) <= slots * BACKLOG_FACTOR) {
    backlogSince.delete(lane.id);
    return 0;
  }
  const since = backlogSince.get(lane.id) ?? nowMs;
  backlogSince.set(lane.id, since);
  return nowMs - since;
}

function demandOf(
  state: State,
  lane: Lane,
  { slots, serviceStarting }: Supply,
  backlogMs: number,
  candidates: Candidates,
): Demand {
  const { kind, constraints } = lane;
  return {
    kind,
    model: constraints.model,
    queued: queuedIn(lane),
    slots,
    serviceStarting,
    backlogMs,
    admits: (id) => {
      const worker = state.workers.get(id);
      return worker !== undefined && mismatch(worker, constraints) === undefined;
    },
    candidates: (entry) => candidates.of(entry, constraints),
  };
}

function waitingLanes({ catalog, kinds }: State): Lane[] {
  const lanes: Lane[] = [];
  for (const kind of catalog.kinds) {
    const known = kinds.get(kind);
    if (!known || known.queued === 0) continue;
    for (const lane of known.lanes) if (queuedIn(lane) > 0) lanes.push(lane);
  }
  return lanes;
}

function supplyOf(state: State, lane: Lane, candidates: Candidates): Supply | undefined {
  const { terms } = state.index;
  const { supplies } = state.catalog;
  const version = (terms.find(kindKey(lane.kind))?.version ?? 0) + (terms.find(startingKey(lane.kind))?.version ?? 0);
  const known = supplies.get(lane.id);
  if (known?.version === version || candidates.looks <= 0) return known;
  const { slots, looked } = slotsFor(state, lane);
  candidates.looks -= looked;
  const supply = { slots, serviceStarting: slots === 0 && isServiceStarting(state, lane), version };
  supplies.set(lane.id, supply);
  return supply;
}

/** Slots of healthy services that may take the lane's tasks. */
function slotsFor(state: State, lane: Lane): { slots: number; looked: number } {
  const { kind, constraints } = lane;
  const { source } = fewestKnown(searchOf(state.index.terms, lane));
  const size = sizeOf(source);
  let looked = 0;
  let slots = 0;
  for (const { postings } of source) {
    for (let i = 0; i < postings.length && looked < LOOKS; i++) {
      const { worker } = postings[i]!.entry;
      looked++;
      if (!acceptsTasks(worker) || mismatch(worker, constraints) !== undefined) continue;
      for (const live of worker.services.values())
        if (serves(live, kind, constraints.model)) slots += live.service.slots;
    }
  }
  return { slots: looked < size ? Math.round((slots * size) / looked) : slots, looked };
}

function isServiceStarting({ index }: State, { kind, constraints }: Lane): boolean {
  if (constraints.model !== undefined) return false;
  const postings = index.terms.find(startingKey(kind))?.postings ?? [];
  for (let i = 0; i < postings.length && i < LOOKS; i++) {
    const { worker } = postings[i]!.entry;
    if (acceptsTasks(worker) && mismatch(worker, constraints) === undefined) return true;
  }
  return false;
}
