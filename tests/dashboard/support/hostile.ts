/** Names as people who mean harm, or no harm at all, give them. Each fits the protocol's limits. */
export const HOSTILE_NAMES = [
  '<img src=x onerror="document.title=1">',
  'مكتب מחשב',
  '🦀 crab of the attic 🏚️',
  'w'.repeat(64),
] as const;
