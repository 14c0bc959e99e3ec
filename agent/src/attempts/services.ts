/**
 * The services of this worker and their slots: which one executes a task of a kind, and whether it has room. Pure.
 * Invariant: service.taken = number of attempts that hold one of its slots, also over a restart of the service.
 */
import { LIMITS } from '@rma/protocol/limits';
import type { Service } from '@rma/protocol/worker';
import type { Runtime, ServiceStatus } from '@rma/workloads/runtime';

/** A service and how many of its slots are taken. */
export interface Served {
  readonly runtime: Runtime;
  status: ServiceStatus;
  /** Slots that attempts hold. */
  taken: number;
}

export class Services {
  readonly #byRuntime = new Map<Runtime, Map<string, Served>>();
  #byKind = new Map<string, Served[]>();
  /** Services of runtimes that were removed while attempts still run on them. */
  #withdrawn: Served[] = [];
  #announced = '';
  readonly #admit: (status: ServiceStatus) => ServiceStatus;

  /** @param admit restricts a service to what the donor's policy allows */
  constructor(admit: (status: ServiceStatus) => ServiceStatus = (status) => status) {
    this.#admit = admit;
  }

  /** Reads the state of the runtimes' services. */
  update(runtimes: readonly Runtime[]): void {
    this.#withdrawn = this.#withdrawn.filter((served) => served.taken > 0);
    for (const [runtime, services] of this.#byRuntime) {
      if (runtimes.includes(runtime)) continue;
      this.#byRuntime.delete(runtime);
      this.#withdrawn.push(...services.values());
    }
    this.#byKind = new Map();
    for (const runtime of runtimes) {
      const known = this.#byRuntime.get(runtime) ?? new Map<string, Served>();
      const now = new Map<string, Served>();
      for (const reported of runtime.services()) {
        const status = this.#admit(reported);
        const served = known.get(status.name) ?? { runtime, status, taken: 0 };
        served.status = status;
        now.set(status.name, served);
        if (status.state !== 'healthy') continue;
        for (const kind of status.kinds) {
          const others = this.#byKind.get(kind);
          if (others) others.push(served);
          else this.#byKind.set(kind, [served]);
        }
      }
      this.#byRuntime.set(runtime, now);
    }
  }

  /**
   * A healthy service for the kind, one with a free slot where there is one.
   * @param model which model the task asks for; evaluated only where there is a choice
   */
  serving(kind: string, model?: () => string | undefined): Served | undefined {
    const all = this.#byKind.get(kind);
    if (all === undefined || all.length === 1) return all?.[0];
    const candidates = ofModel(all, model?.());
    return candidates.find(hasRoom) ?? candidates[0];
  }

  /** The list for the wire. */
  list(): Service[] {
    const list: Service[] = [];
    for (const services of this.#byRuntime.values()) {
      for (const { status } of services.values()) list.push(toWire(status));
    }
    return list;
  }

  /** The list was sent to the coordinator. */
  announced(list: readonly Service[]): void {
    this.#announced = JSON.stringify(list);
  }

  /** The list, when it differs from the one that was sent last; it counts as sent now. */
  unannounced(): Service[] | undefined {
    const list = this.list();
    if (JSON.stringify(list) === this.#announced) return undefined;
    this.announced(list);
    return list;
  }

  /** Whether tasks run on a runtime, one that was withdrawn included. */
  isBusy(runtime: Runtime): boolean {
    const services = [...(this.#byRuntime.get(runtime)?.values() ?? []), ...this.#withdrawn];
    return services.some((served) => served.runtime === runtime && served.taken > 0);
  }
}

export function hasRoom(served: Served): boolean {
  return served.taken < served.status.slots;
}

/** Those that list the model; without a model, or where none lists it, those with a built-in one. */
function ofModel(services: readonly Served[], model: string | undefined): readonly Served[] {
  const listing =
    model === undefined
      ? []
      : services.filter(({ status }) => status.models?.some((name) => name === model || name === `${model}:latest`));
  if (listing.length > 0) return listing;
  const builtIn = services.filter(({ status }) => status.models === undefined);
  return builtIn.length > 0 ? builtIn : services;
}

function toWire(status: ServiceStatus): Service {
  const { name, runtime, state, kinds, slots, reason, workload, pull, models } = status;
  return {
    name,
    runtime,
    state,
    kinds: [...kinds],
    slots,
    ...(reason === undefined ? {} : { reason: reason.slice(0, LIMITS.maxTextLength) }),
    ...(workload === undefined ? {} : { workload }),
    ...(pull === undefined ? {} : { pull: { ...pull } }),
    ...(models === undefined ? {} : { models: models.slice(0, 64) }),
  };
}
