/** The audit log: entries as events, so that they are told in the same sentences, and events as entries. Pure. */
import type { AuditEntry, PoolEvent } from '@rma/client';

export function eventOf({ seq, at, action, by, token, address, subject, data }: AuditEntry): PoolEvent {
  return {
    seq,
    at,
    // A type that this version does not know is told by its name.
    type: action as PoolEvent['type'],
    ...(subject === undefined ? {} : { subject }),
    data: { ...data, by, ...(token === undefined ? {} : { token }), ...(address === undefined ? {} : { address }) },
  };
}

/** `newer` before `older`, each number once, the newest first. */
export function mergeEvents(newer: readonly PoolEvent[], older: readonly PoolEvent[]): PoolEvent[] {
  const all = new Map<number, PoolEvent>();
  for (const event of [...newer, ...older]) all.set(event.seq, event);
  return [...all.values()].sort((a, b) => b.seq - a.seq);
}
