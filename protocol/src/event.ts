/**
 * The types of events that a pool records, each with its meaning, and how a filter names them. Imports no schema library.
 */

export type { PoolEvent } from './pool-event.js';

export const EVENT_TYPES = {
  'coordinator.started': 'the coordinator serves; data: version, transport',
  'coordinator.stopped': 'the coordinator shuts down in order',
  'worker.joined': 'a machine joined for the first time; data: name, tier, reasons, owner, trust',
  'worker.online': 'a worker has a session; data: name, tier',
  'worker.offline': 'a worker lost its session; data: reason',
  'worker.lost': 'the grace of an absent worker is over; its attempts are requeued; data: attempts',
  'worker.assigned': 'tier and workloads were assigned; data: tier, reasons, workloads',
  'worker.draining': 'a worker takes no new tasks',
  'worker.pinned': 'an admin pinned a tier; data: tier, by',
  'worker.revoked': 'an admin revoked a worker; data: by',
  'service.changed': 'a service changed its state; data: service, state, kinds, reason',
  'task.submitted': 'a task was accepted; data: kind, priority',
  'task.dispatched': 'an attempt was given to a worker; data: attempt, worker',
  'task.requeued': 'an attempt ended without a result and the task waits again; data: attempt, worker, code, dueAt',
  'task.ended': 'a task ended; data: state, attempt, worker, code',
  'token.created': 'a token was made; data: role, name, by',
  'token.revoked': 'a token was revoked; data: by',
  'storage.full': 'the coordinator cannot persist and refuses submits',
  'storage.recovered': 'the coordinator persists again',
  'worker.left': 'a worker left the pool for good, as its donor asked; its credential is revoked',
  'service.pulling': 'an image is being pulled, at most once a second; data: service, bytes, totalBytes',
  'worker.policy': "a machine became unavailable or available by its donor's policy; data: paused, reason",
  'workload.bound': 'a workload with state is bound to the worker that holds it; data: workload',
  'workload.released': 'a workload with state is no longer bound to a worker; data: workload, reason',
  'catalog.changed': 'a new catalogue is in force; data: source, workloads',
  'catalog.refused': 'a changed catalogue has mistakes, the previous one stays in force; data: source, message',
  'worker.resumed': 'an admin lets a worker take tasks again; data: by',
  'worker.renamed': 'an admin renamed a worker; data: name, before, by',
  'worker.labelled': "an admin replaced a worker's labels; data: labels, by",
  'task.cancelled': 'an admin cancelled a task; data: owner, by',
  'task.retried': 'an admin submitted an ended task again; data: as, owner, by',
  'session.opened': 'a browser session began; data: role, by',
  'session.closed': 'a browser session was ended by its user; data: role, by',
  'worker.forgotten': 'a worker that was gone for long is no longer kept; data: name, reason',
} as const;
export type EventType = keyof typeof EVENT_TYPES;

/** A type's place in this list is how it is stored: append, never reorder. */
export const EVENT_CODES = Object.keys(EVENT_TYPES) as EventType[];

/** Whether an event's type is one of those asked for: by name, or by a prefix that ends with a dot, such as `worker.`. */
export function matchesEventTypes(type: string, asked: readonly string[] | undefined): boolean {
  return asked === undefined || asked.some((one) => type === one || (one.endsWith('.') && type.startsWith(one)));
}
