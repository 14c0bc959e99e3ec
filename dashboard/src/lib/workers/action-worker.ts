/** A worker as the actions take it, from a row of the list or from the view of its page. Pure. */
import type { LiveLoad } from '@rma/client';
import type { WorkerRow } from '@rma/protocol/topic';
import type { WorkerView } from '@rma/protocol/view';
import type { Target } from './consequences.js';

export interface ActionWorker extends Target {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly tier: 1 | 2 | 3 | null;
  readonly pinned: boolean;
  /** Why it is unavailable by its donor's policy; undefined: it is available. */
  readonly pausedBy?: string | undefined;
  /** Drained by an admin; undefined: unknown. */
  readonly drained?: boolean | undefined;
}

export function fromRow(row: WorkerRow, load: LiveLoad | undefined): ActionWorker {
  const { id, name, labels, tier, pinned, state, slots } = row;
  return { id, name, labels, tier, pinned, state, slots, running: load?.running ?? 0 };
}

export function fromView(view: WorkerView): ActionWorker {
  const { id, name, labels, tier, pinned, state, running, policy, drained = false } = view;
  const healthy = view.services.filter((service) => service.state === 'healthy');
  const slots = healthy.reduce((sum, service) => sum + service.slots, 0);
  const pausedBy = policy?.paused ? (policy.reason ?? 'paused') : undefined;
  return { id, name, labels, tier, pinned, state, slots, running, pausedBy, drained };
}
