/**
 * How many of the slots that a worker claims are believed. A claim is free of charge, so one that no result backs must not
 * draw the queue: believed = max(INITIAL[trust], 2 * proven), `proven` being the accepted outputs, at most half of MOST,
 * halved for each attempt that was lost or timed out. A worker that answers doubles what it is given with each round.
 */
import type { Trust } from '@rma/protocol/task';
import type { Worker } from '../worker.js';

const INITIAL: Readonly<Record<Trust, number>> = { community: 8, trusted: 64 };
/** The most slots that a service may claim on the wire. */
const MOST = 4_096;

type Believed = Pick<Worker, 'proven'> & { readonly record: Pick<Worker['record'], 'trust'> };

export function believedSlots({ proven, record }: Believed): number {
  return Math.max(INITIAL[record.trust], 2 * proven);
}

/** An output of it was accepted. */
export function believeMore(worker: Pick<Worker, 'proven'>): void {
  if (worker.proven < MOST / 2) worker.proven++;
}

/** An attempt was lost with it, or timed out on it. */
export function believeLess(worker: Pick<Worker, 'proven'>): void {
  worker.proven >>= 1;
}

/** Slots that are taken, of all its services. */
export function usedSlots({ services }: Pick<Worker, 'services'>): number {
  let used = 0;
  for (const live of services.values()) used += live.used;
  return used;
}

/** How many more attempts it is trusted with: below 0 where a restart found more running than is believed. */
export const believedRoom = (worker: Worker): number => believedSlots(worker) - usedSlots(worker);

/** In words, where the worker claims more than is believed and that much is taken; else undefined. */
export function disbelief(worker: Worker): string | undefined {
  let slots = 0;
  for (const { service } of worker.services.values()) if (service.state === 'healthy') slots += service.slots;
  const believed = believedSlots(worker);
  if (slots <= believed || usedSlots(worker) < believed) return undefined;
  return `has yet to show that it runs more than ${believed} at once`;
}
