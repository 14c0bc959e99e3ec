/** A worker as actions know it, from the list or from its own page. */
import type { LiveLoad } from '@rma/client';
import type { WorkerRow } from '@rma/protocol/topic';
import type { WorkerView } from '@rma/protocol/view';
import type { Subject } from './consequences.js';

export interface ActionWorker extends Subject {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly tier: 1 | 2 | 3 | null;
  readonly pinned: boolean;
  /** Why its donor does not lend it now; undefined: it does. */
  readonly pausedBy?: string | undefined;
  /** An admin drained it; undefined: not known. */
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
