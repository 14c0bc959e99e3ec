/** Input credit (feature `credit`): which messages of the dialling side it covers, and how their bytes are counted. */

/**
 * The bulk, which waits for a turn of the core. All else is never held back: what shows that a peer lives, what answers
 * the coordinator, and what is limited otherwise (queries, subscriptions, streams).
 */
export const CREDITED_TYPES: ReadonlySet<string> = new Set([
  'submit',
  'watch',
  'unwatch',
  'cancel',
  'cancels',
  'results',
  'chunks',
]);

const encoder = new TextEncoder();

/** Bytes of a message as it is encoded; of text in UTF-8. Both sides must count the same. */
export function frameBytes(frame: string | Uint8Array): number {
  return typeof frame === 'string' ? encoder.encode(frame).length : frame.length;
}
