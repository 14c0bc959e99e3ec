/** Which events a viewer may see: an admin every one in full, a client those of its own tasks and the public ones. */
import type { PoolEvent } from '@rma/protocol/event';
import type { AuditEntry } from '@rma/protocol/view';
import type { EventRecord } from '../core/effects.js';

/** Types that every client sees, whoever owns the task or worker. */
const PUBLIC = new Set([
  'worker.online',
  'worker.offline',
  'service.changed',
  'service.pulling',
  'storage.full',
  'storage.recovered',
]);
/** Fields that identify who performed an action; for admins only. */
const PERSONAL = new Set(['by', 'token', 'address']);

/** Whom an answer is for. */
export interface Viewer {
  readonly role: string;
  readonly subject: string;
}

export function fullEvent(event: EventRecord): PoolEvent {
  return {
    seq: event.seq,
    at: event.at,
    type: event.type,
    ...(event.subject === '' ? {} : { subject: event.subject }),
    ...(event.data === null ? {} : { data: event.data }),
  };
}

/** The event as the viewer may see it; undefined for not at all. */
export function visibleEvent(event: EventRecord, viewer: Viewer): PoolEvent | undefined {
  if (viewer.role === 'admin') return fullEvent(event);
  if (event.owner !== viewer.subject && !PUBLIC.has(event.type)) return undefined;
  const { data } = event;
  if (data === null || data.by === undefined) return fullEvent(event);
  return fullEvent({
    ...event,
    data: Object.fromEntries(Object.entries(data).filter(([name]) => !PERSONAL.has(name))),
  });
}

/** An event that an actor caused (its data has `by`), as an entry of the audit log. */
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
