/** How the core's records are stored, tasks apart (task-row.ts). Another field is a codec here and a migration. */
import type { Binding } from '../core/state.js';
import type { TokenRecord } from '../core/token.js';
import type { WorkerRecord } from '../core/worker.js';
import { defineTable, flag, json, plain } from './columns.js';

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
