/** Who sees what of an event: an admin all of it, a client those of its own tasks and the workers' coming and going. */
import type { PoolEvent } from '@rma/protocol/event';
import type { EventRecord } from '../core/effects.js';

const PUBLIC = new Set([
  'worker.online',
  'worker.offline',
  'service.changed',
  'service.pulling',
  'storage.full',
  'storage.recovered',
]);

export function fullEvent(event: EventRecord): PoolEvent {
  return {
    seq: event.seq,
    at: event.at,
    type: event.type,
    ...(event.subject === '' ? {} : { subject: event.subject }),
    ...(event.data === null ? {} : { data: event.data }),
  };
}

/** The event as this role and subject may see it; undefined for not at all. */
export function visibleEvent(event: EventRecord, asker: { role: string; subject: string }): PoolEvent | undefined {
  if (asker.role === 'admin' || event.owner === asker.subject) return fullEvent(event);
  return PUBLIC.has(event.type) ? fullEvent(event) : undefined;
}
