/**
 * Placement: which workload shall run on which worker. Pure, deterministic, and a difference rather than a plan: what
 * runs stays unless there is a reason, so that nothing flaps. Floors come first, then what waits; the idle make room.
 */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { Form } from './form.js';
import { lacking, type Need, NOTHING, plus } from './need.js';

/** A workload on a worker, as the last run of placement left it. */
export interface Replica {
  readonly need: Need;
  /** How long it has been placed there. */
  readonly ranMs: number;
  /** How long nothing was asked of it; 0 while it works or something waits for it. */
  readonly idleMs: number;
  readonly state: 'starting' | 'healthy' | 'failing';
}

/** One worker, as placement sees it. */
export interface Spot {
  readonly id: string;
  /** Has a session and takes work; without, nothing is begun here. */
  readonly takes: boolean;
  /** Its replicas count: it is here, or was a moment ago. */
  readonly counts: boolean;
  readonly tier: number;
  readonly room: Need;
  /** GPU memory that others on the machine hold: no room for anything new. */
  readonly foreignVramMiB: number;
  /** Memory of embedded workloads that work right now. */
  readonly busyMiB: number;
  /** Memory of all embedded workloads that fill what is left. */
  readonly fillerMiB: number;
  readonly forms: ReadonlyMap<string, Form>;
  readonly replicas: ReadonlyMap<string, Replica>;
}

/** Tasks that wait, of one kind and one set of constraints. */
export interface Demand {
  readonly kind: string;
  readonly model: string | undefined;
  readonly queued: number;
  /** Slots of healthy services that may take them. */
  readonly slots: number;
  /** A service outside the catalogue, or one that fills up a machine, is about to serve them. */
  readonly coming: boolean;
  /** How long there has been far more than the slots can take. */
  readonly deepMs: number;
  admits(worker: string): boolean;
}

export interface Start {
  readonly worker: string;
  readonly workload: string;
  readonly reason: string;
}
export type Stop = Start;

export interface Placement {
  readonly starts: readonly Start[];
  readonly stops: readonly Stop[];
  /** Workloads that are wanted and cannot be placed, with the reason. */
  readonly unmet: ReadonlyMap<string, string>;
}

export interface PlacementQuestion {
  readonly catalog: readonly CatalogEntry[];
  readonly spots: readonly Spot[];
  readonly demands: readonly Demand[];
  /** Workloads with state, and the worker that holds it. */
  readonly bindings: ReadonlyMap<string, string>;
  /** Nothing new is begun, nothing idle unloaded: workers are still coming back. */
  readonly frozen: boolean;
}

/** So much more must wait than there are slots, for so long, until another replica is begun. */
export const DEEP_BACKLOG = 4;
export const DEEP_MS = 10_000;
/** Where it failed on so many workers, trying it on yet another one helps nobody. */
const MAX_FAILING = 3;

interface Site {
  readonly spot: Spot;
  used: Need;
  readonly runs: Map<string, Replica & { fresh?: boolean }>;
}

export function place(question: PlacementQuestion): Placement {
  return new Placing(question).run();
}

class Placing {
  readonly #question: PlacementQuestion;
  readonly #sites: Site[];
  readonly #byName: Map<string, CatalogEntry>;
  readonly #starts: Start[] = [];
  readonly #stops: Stop[] = [];
  readonly #unmet = new Map<string, string>();

  constructor(question: PlacementQuestion) {
    this.#question = question;
    this.#byName = new Map(question.catalog.map((entry) => [entry.name, entry]));
    const spots = question.spots.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    this.#sites = spots.map((spot) => ({ spot, used: NOTHING, runs: new Map() }));
  }

  run(): Placement {
    const { catalog, demands, frozen } = this.#question;
    for (const site of this.#sites) this.#keep(site);
    if (!frozen) {
      for (const entry of catalog) this.#trim(entry);
      for (const entry of catalog) this.#floor(entry);
      for (const demand of demands) this.#meet(demand);
      for (const entry of catalog) this.#unload(entry);
    }
    return { starts: this.#starts, stops: this.#stops, unmet: this.#unmet };
  }

  /** What runs stays, unless it may not run here any more or no longer fits. */
  #keep(site: Site): void {
    const { spot } = site;
    for (const entry of this.#question.catalog) {
      const replica = spot.replicas.get(entry.name);
      if (!replica) continue;
      const form = spot.forms.get(entry.name);
      const bound = this.#question.bindings.get(entry.name);
      const why =
        bound !== undefined && bound !== spot.id
          ? `its data is on ${bound}`
          : !form?.ok
            ? (form?.reason ?? 'cannot run it')
            : lacking({ ...replica.need, diskMiB: 0 }, site.used, spot.room);
      if (why !== undefined) {
        this.#stops.push({ worker: spot.id, workload: entry.name, reason: why });
        continue;
      }
      site.runs.set(entry.name, replica);
      // Its image and volumes are on the disk already: they are no longer part of the free room.
      site.used = plus(site.used, { ...replica.need, diskMiB: 0 });
    }
    for (const name of spot.replicas.keys()) {
      if (!this.#byName.has(name)) {
        this.#stops.push({ worker: spot.id, workload: name, reason: 'is no longer in the catalogue' });
      }
    }
  }

  /** Sites that run it and count. */
  #replicas(entry: CatalogEntry): Site[] {
    return this.#sites.filter(({ spot, runs }) => {
      const replica = runs.get(entry.name);
      return replica !== undefined && spot.counts && (replica.state !== 'failing' || entry.stateful);
    });
  }

  #failing(entry: CatalogEntry): number {
    return this.#sites.filter(({ runs }) => runs.get(entry.name)?.state === 'failing').length;
  }

  /** Workers that came back may make more of it than the ceiling admits: the idle ones go. */
  #trim(entry: CatalogEntry): void {
    const replicas = this.#replicas(entry);
    let over = replicas.length - entry.ceiling;
    for (const site of replicas.toReversed()) {
      if (over <= 0) return;
      if (!this.#mayEnd(entry, site.runs.get(entry.name)!)) continue;
      this.#end(site, entry, `more than its ceiling of ${entry.ceiling} run`);
      over--;
    }
  }

  #floor(entry: CatalogEntry): void {
    while (this.#replicas(entry).length < entry.floor) {
      if (!this.#begin(entry, () => true, 'floor', `${entry.floor} of it shall always run`)) return;
    }
  }

  #meet(demand: Demand): void {
    const serving = this.#question.catalog.filter(
      (entry) =>
        entry.kinds.includes(demand.kind) && (demand.model === undefined || entry.models.includes(demand.model)),
    );
    const here = (entry: CatalogEntry) => this.#replicas(entry).filter(({ spot }) => demand.admits(spot.id));
    const starting = serving.some((entry) =>
      here(entry).some(({ runs }) => runs.get(entry.name)?.state === 'starting'),
    );
    if (starting || demand.coming) return;
    if (demand.slots > 0) {
      if (demand.queued <= demand.slots * DEEP_BACKLOG || demand.deepMs < DEEP_MS) return;
      const busy = serving.find((entry) => here(entry).length > 0 && this.#replicas(entry).length < entry.ceiling);
      if (busy) this.#begin(busy, demand.admits, 'demand', `${demand.kind} has more tasks than its workers take`);
      return;
    }
    for (const entry of serving) {
      if (this.#replicas(entry).length >= entry.ceiling) {
        this.#unmet.set(
          entry.name,
          `its ceiling of ${entry.ceiling} is reached, by workers that these tasks do not admit`,
        );
      } else if (this.#begin(entry, demand.admits, 'demand', `tasks of ${demand.kind} wait`)) {
        for (const other of serving) this.#unmet.delete(other.name);
        return;
      }
    }
  }

  #unload(entry: CatalogEntry): void {
    if (entry.idleSeconds === 0) return;
    const replicas = this.#replicas(entry);
    let over = replicas.length - entry.floor;
    for (const site of replicas) {
      if (over <= 0) return;
      const replica = site.runs.get(entry.name)!;
      if (replica.idleMs < entry.idleSeconds * 1_000 || !this.#mayEnd(entry, replica)) continue;
      this.#end(site, entry, `idle for ${entry.idleSeconds} s`);
      over--;
    }
  }

  #begin(entry: CatalogEntry, admits: (worker: string) => boolean, why: 'floor' | 'demand', reason: string): boolean {
    const bound = this.#question.bindings.get(entry.name);
    if (this.#failing(entry) >= MAX_FAILING) {
      this.#unmet.set(entry.name, `it failed on ${MAX_FAILING} workers: see their services`);
      return false;
    }
    const candidates = this.#sites.filter(
      ({ spot, runs }) =>
        spot.takes &&
        spot.forms.get(entry.name)?.ok &&
        !runs.has(entry.name) &&
        (bound === undefined || bound === spot.id) &&
        // What was stopped in this run does not come back in it.
        !this.#stops.some(({ worker, workload }) => worker === spot.id && workload === entry.name) &&
        admits(spot.id),
    );
    let best: Site | undefined;
    for (const site of candidates) {
      if (this.#lack(entry, site, why, NOTHING) === undefined && (!best || better(entry, site, best))) best = site;
    }
    let victims: CatalogEntry[] = [];
    if (!best) {
      for (const site of candidates) {
        const found = this.#makeRoom(entry, site, why);
        if (
          !found ||
          (best && (found.length > victims.length || (found.length === victims.length && !better(entry, site, best))))
        ) {
          continue;
        }
        best = site;
        victims = found;
      }
    }
    if (!best) {
      this.#unmet.set(entry.name, this.#whyNot(entry, candidates, bound, why));
      return false;
    }
    for (const victim of victims) this.#end(best, victim, `its room is needed for ${entry.name}`);
    const form = best.spot.forms.get(entry.name)!;
    if (!form.ok) throw new Error(`${entry.name} was to be placed on ${best.spot.id}, which cannot run it`);
    best.runs.set(entry.name, { need: form.takes, ranMs: 0, idleMs: 0, state: 'starting', fresh: true });
    best.used = plus(best.used, form.takes);
    this.#starts.push({ worker: best.spot.id, workload: entry.name, reason });
    return true;
  }

  /** What is missing on a site for one more workload, with so much given back. */
  #lack(
    entry: CatalogEntry,
    { spot, used }: Site,
    why: 'floor' | 'demand',
    freed: Need,
    mayDisplace = false,
  ): string | undefined {
    const form = spot.forms.get(entry.name);
    if (!form?.ok) return form?.reason ?? 'cannot run it';
    const filler = why === 'floor' ? 0 : mayDisplace ? spot.busyMiB : spot.fillerMiB;
    return lacking(
      form.need,
      {
        cores: used.cores - freed.cores,
        memoryMiB: used.memoryMiB - freed.memoryMiB + filler,
        vramMiB: used.vramMiB - freed.vramMiB + spot.foreignVramMiB,
        diskMiB: used.diskMiB,
      },
      spot.room,
    );
  }

  /** The fewest idle workloads, the longest idle first, whose end makes room; undefined where that is not enough. */
  #makeRoom(entry: CatalogEntry, site: Site, why: 'floor' | 'demand'): CatalogEntry[] | undefined {
    const victims: CatalogEntry[] = [];
    let freed = NOTHING;
    const idle = [...site.runs]
      .map(([name, replica]) => ({ victim: this.#byName.get(name)!, replica }))
      .filter(
        ({ victim, replica }) =>
          this.#mayEnd(victim, replica) &&
          (replica.state === 'failing' || this.#replicas(victim).length > victim.floor),
      )
      .sort((a, b) => b.replica.idleMs - a.replica.idleMs);
    for (;;) {
      if (this.#lack(entry, site, why, freed, true) === undefined) break;
      const next = idle.shift();
      if (!next) return undefined;
      victims.push(next.victim);
      freed = plus(freed, next.replica.need);
    }
    // One that was taken early may turn out not to be needed.
    return victims.filter((victim) => {
      const need = site.runs.get(victim.name)!.need;
      const less = plus(freed, { cores: -need.cores, memoryMiB: -need.memoryMiB, vramMiB: -need.vramMiB, diskMiB: 0 });
      if (this.#lack(entry, site, why, less, true) !== undefined) return true;
      freed = less;
      return false;
    });
  }

  #mayEnd(entry: CatalogEntry, replica: Replica & { fresh?: boolean }): boolean {
    if (replica.fresh || replica.ranMs < entry.minRunSeconds * 1_000) return false;
    return replica.state === 'failing' || replica.idleMs > 0;
  }

  #end(site: Site, entry: CatalogEntry, reason: string): void {
    const replica = site.runs.get(entry.name)!;
    site.runs.delete(entry.name);
    const { cores, memoryMiB, vramMiB } = replica.need;
    site.used = plus(site.used, { cores: -cores, memoryMiB: -memoryMiB, vramMiB: -vramMiB, diskMiB: 0 });
    this.#stops.push({ worker: site.spot.id, workload: entry.name, reason });
  }

  #whyNot(
    entry: CatalogEntry,
    candidates: readonly Site[],
    bound: string | undefined,
    why: 'floor' | 'demand',
  ): string {
    if (bound !== undefined && candidates.length === 0) return `its data is on ${bound}, which does not run it now`;
    if (candidates.length === 0) return 'no worker that is here may run it';
    const site = candidates[0]!;
    const lack = this.#lack(entry, site, why, NOTHING) ?? 'has no room';
    const others = candidates.length - 1;
    return `no room: ${site.spot.id} ${lack}${others > 0 ? `, and ${others} more ${others === 1 ? 'has' : 'have'} none either` : ''}`;
  }
}

/** The image is there already; the lowest tier that will do, so that GPUs stay free; the most room; then the id. */
function better(entry: CatalogEntry, a: Site, b: Site): boolean {
  const warm = (site: Site) => {
    const form = site.spot.forms.get(entry.name);
    return form?.ok && form.warm ? 1 : 0;
  };
  const share = ({ used, spot: { room } }: Site) => (room.memoryMiB > 0 ? used.memoryMiB / room.memoryMiB : 1);
  return (
    (warm(b) - warm(a) || b.spot.tier - a.spot.tier || share(a) - share(b) || (a.spot.id < b.spot.id ? -1 : 1)) < 0
  );
}
