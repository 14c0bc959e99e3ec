/** Names that break careless rendering: markup, other scripts, bidirectional text. All are valid by the protocol. */
export const HOSTILE_NAMES = [
  '<img src=x onerror="document.title=1">',
  'مكتب מחשב',
  '🦀 crab of the attic 🏚️',
  'w'.repeat(64),
] as const;
