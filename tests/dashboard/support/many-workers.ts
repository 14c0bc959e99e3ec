/** Inserts ten thousand workers into the database of a stopped coordinator. */
import { join } from 'node:path';
import type { WorkerRecord } from '@rma/server/core/worker';
import { WORKERS } from '@rma/server/store/rows';
import { openDatabase } from '@rma/server/store/sqlite';

const SYSTEMS = ['linux', 'win32', 'darwin'] as const;
const TIERS = [1, 2, 3] as const;

/** Names are `machine-00000` and on; each joined a minute after the one before. */
export function addWorkers(data: string, count: number): void {
  const db = openDatabase(join(data, 'pool.db'), 'NORMAL');
  try {
    const insert = db.prepare(WORKERS.upsertSql);
    const firstAt = Date.now() - count * 60_000;
    db.transaction(() => {
      for (let i = 0; i < count; i++) insert.run(WORKERS.encode(workerRecord(i, firstAt + i * 60_000)));
    })();
  } finally {
    db.close();
  }
}

function workerRecord(i: number, at: number): WorkerRecord {
  return {
    id: `w-many${i.toString(36).padStart(4, '0')}`,
    joinKey: `many-workers-${String(i).padStart(8, '0')}`,
    joinToken: 'join',
    owner: 'lab',
    trust: 'community',
    joinedAt: at,
    name: `machine-${String(i).padStart(5, '0')}`,
    labels: { rack: `r${i % 100}` },
    givenName: null,
    givenLabels: null,
    tier: TIERS[i % 3]!,
    pinnedTier: null,
    reasons: ['tier 2: as its hardware says'],
    hardware: {
      os: SYSTEMS[i % SYSTEMS.length]!,
      arch: 'x64',
      cpu: { model: 'test', logicalCores: 4 },
      memory: { totalMiB: 16_384 },
      disk: { freeGiB: 100, totalGiB: 200 },
      gpus: [],
      container: false,
      notes: [],
    },
    available: [],
    instance: '',
    agentVersion: '',
    lastSeenAt: at,
    draining: false,
    revokedAt: 0,
  };
}
