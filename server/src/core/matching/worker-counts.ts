/** Counts over workers, maintained as each one changes: what statistics and the frozen start ask for without a loop. */
import type { WorkerState } from '@rma/protocol/view';
import { stateOf } from '../view.js';
import { tierOf, type Worker } from '../worker.js';

/** Under which counts a worker stands. */
interface Counted {
  readonly state: WorkerState;
  readonly tier: string;
  readonly online: boolean;
  readonly awaited: boolean;
}

export class WorkerCounts {
  readonly #counted = new Map<Worker, Counted>();
  readonly byState = new Map<WorkerState, number>();
  /** Of those online; 'none' for workers without a tier. */
  readonly byTier = new Map<string, number>();
  online = 0;
  /** Not revoked, and not yet back since the coordinator started. */
  awaited = 0;

  /** All but the revoked ones. */
  get total(): number {
    return this.#counted.size - (this.byState.get('revoked') ?? 0);
  }

  update(worker: Worker): void {
    this.remove(worker);
    const present = worker.session !== 0;
    const kept = worker.record.revokedAt === 0;
    const counted: Counted = {
      state: stateOf(worker),
      tier: String(tierOf(worker) ?? 'none'),
      online: present && kept,
      awaited: !present && worker.leftMs === 0 && kept,
    };
    this.#counted.set(worker, counted);
    this.#add(counted, 1);
  }

  remove(worker: Worker): void {
    const counted = this.#counted.get(worker);
    if (!counted) return;
    this.#counted.delete(worker);
    this.#add(counted, -1);
  }

  #add({ state, tier, online, awaited }: Counted, by: number): void {
    this.byState.set(state, (this.byState.get(state) ?? 0) + by);
    if (online) {
      this.online += by;
      this.byTier.set(tier, (this.byTier.get(tier) ?? 0) + by);
    }
    if (awaited) this.awaited += by;
  }
}
