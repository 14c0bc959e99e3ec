/** Who sees what of an event: an admin all of it, a client those of its own tasks and the workers' coming and going. */
import type { PoolEvent } from '@rma/protocol/event';
import type { AuditEntry } from '@rma/protocol/view';
import type { EventRecord } from '../core/effects.js';

const PUBLIC = new Set([
  'worker.online',
  'worker.offline',
  'service.changed',
  'service.pulling',
  'storage.full',
  'storage.recovered',
]);
/** What an event tells of the person behind an action is for admins. */
const PERSONAL = new Set(['by', 'token', 'address']);

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
  if (asker.role === 'admin') return fullEvent(event);
  if (event.owner !== asker.subject && !PUBLIC.has(event.type)) return undefined;
  const { data } = event;
  if (data === null || data.by === undefined) return fullEvent(event);
  return fullEvent({
    ...event,
    data: Object.fromEntries(Object.entries(data).filter(([name]) => !PERSONAL.has(name))),
  });
}

/** An event that somebody brought about, as an entry of the audit log. */
export function auditEntry(event: EventRecord): AuditEntry {
  const { by, token, address, ...data } = event.data ?? {};
  return {
    seq: event.seq,
    at: event.at,
    action: event.type,
    by: typeof by === 'string' ? by : '',
    ...(typeof token === 'string' ? { token } : {}),
    ...(typeof address === 'string' ? { address } : {}),
    ...(event.subject === '' ? {} : { subject: event.subject }),
    ...(Object.keys(data).length > 0 ? { data } : {}),
  };
}
