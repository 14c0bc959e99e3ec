/** Converts audit entries to events, so that both have the same sentences, and merges pages of them. Pure. */
import type { AuditEntry, PoolEvent } from '@rma/client';

export function eventOf({ seq, at, action, by, token, address, subject, data }: AuditEntry): PoolEvent {
  return {
    seq,
    at,
    // An unknown action (newer coordinator) is shown by its name.
    type: action as PoolEvent['type'],
    ...(subject === undefined ? {} : { subject }),
    data: { ...data, by, ...(token === undefined ? {} : { token }), ...(address === undefined ? {} : { address }) },
  };
}

/** Both lists, newest first, without duplicates. */
export function mergeEvents(newer: readonly PoolEvent[], older: readonly PoolEvent[]): PoolEvent[] {
  const all = new Map<number, PoolEvent>();
  for (const event of [...newer, ...older]) all.set(event.seq, event);
  return [...all.values()].sort((a, b) => b.seq - a.seq);
}
