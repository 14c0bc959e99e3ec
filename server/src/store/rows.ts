/** How the core's records are stored, tasks apart (task-row.ts). Another field is a codec here and a migration. */
import type { Persist } from '../core/effects.js';
import type { Stored } from '../core/restore.js';
import type { Binding } from '../core/state.js';
import type { TokenRecord } from '../core/token.js';
import type { WorkerRecord } from '../core/worker.js';
import { defineTable, flag, json, plain, type Table } from './columns.js';

export const WORKERS = defineTable<WorkerRecord>('workers', {
  id: plain(),
  joinKey: plain(),
  joinToken: plain(),
  owner: plain(),
  trust: plain(),
  joinedAt: plain(),
  name: plain(),
  labels: json(),
  givenName: plain(),
  givenLabels: json(),
  tier: plain(),
  pinnedTier: plain(),
  reasons: json(),
  hardware: json(),
  available: json(),
  instance: plain(),
  agentVersion: { ...plain<string>(), absent: '' },
  lastSeenAt: plain(),
  draining: flag,
  revokedAt: plain(),
});

export const TOKENS = defineTable<TokenRecord>('tokens', {
  id: plain(),
  role: plain(),
  name: plain(),
  subject: plain(),
  owner: plain(),
  trust: plain(),
  createdAt: plain(),
  expiresAt: plain(),
  usesLeft: plain(),
  revokedAt: plain(),
  lastUsedAt: plain(),
});

export const BINDINGS = defineTable<Binding & { readonly workload: string }>('bindings', {
  workload: plain(),
  worker: plain(),
  runtime: plain(),
  boundAt: plain(),
});

/**
 * The tables that are written and loaded as whole records: by their field in what a step persists and in what `load`
 * answers, each with its operation's name in journals. Statements, operations and loading follow from this list.
 */
export const RECORD_TABLES = {
  workers: { upsert: 'upsertWorker', table: WORKERS },
  tokens: { upsert: 'upsertToken', table: TOKENS },
} as const satisfies Partial<Record<keyof Persist & keyof Stored, { upsert: string; table: unknown }>>;

export type RecordField = keyof typeof RECORD_TABLES;
export type UpsertName = (typeof RECORD_TABLES)[RecordField]['upsert'];
export const RECORD_FIELDS = Object.keys(RECORD_TABLES) as RecordField[];

/** A record table whose record type does not matter: its rows come from `encode`, its records from `decode`. */
export function recordTable(field: RecordField): { readonly upsert: UpsertName; readonly table: Table<object> } {
  return RECORD_TABLES[field] as { upsert: UpsertName; table: Table<object> };
}
