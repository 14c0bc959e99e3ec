/** Inserts ten thousand workers into the database of a stopped coordinator. */
import { join } from 'node:path';
import { openDatabase } from '@rma/server/store/sqlite';

const SYSTEMS = ['linux', 'win32', 'darwin'] as const;

/** Names are `machine-00000` and on; each joined a minute after the one before. */
export function addWorkers(data: string, count: number): void {
  const db = openDatabase(join(data, 'pool.db'), 'NORMAL');
  try {
    const insert = db.prepare(
      `INSERT INTO workers VALUES (:id, :key, 'join', 'lab', 'community', :at, :name, :labels, NULL, NULL, :tier, NULL,
       '["tier 2: as its hardware says"]', :hardware, '[]', '', :at, 0, 0)`,
    );
    const firstAt = Date.now() - count * 60_000;
    db.transaction(() => {
      for (let i = 0; i < count; i++) {
        const hardware = {
          os: SYSTEMS[i % SYSTEMS.length],
          arch: 'x64',
          cpu: { model: 'test', logicalCores: 4 },
          memory: { totalMiB: 16_384 },
          disk: { freeGiB: 100, totalGiB: 200 },
          gpus: [],
          container: false,
          notes: [],
        };
        insert.run({
          id: `w-many${i.toString(36).padStart(4, '0')}`,
          key: `many-workers-${String(i).padStart(8, '0')}`,
          at: firstAt + i * 60_000,
          name: `machine-${String(i).padStart(5, '0')}`,
          labels: JSON.stringify({ rack: `r${i % 100}` }),
          tier: (i % 3) + 1,
          hardware: JSON.stringify(hardware),
        });
      }
    })();
  } finally {
    db.close();
  }
}
