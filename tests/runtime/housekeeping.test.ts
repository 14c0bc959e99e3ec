/** A coordinator's housekeeping: what is past its retention goes by itself, as fast as there is more of it. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openReader } from '@rma/server/store/sqlite';
import { openSqliteStore } from '@rma/server/store/sqlite-store';
import { expect, it, onTestFinished } from 'vitest';
import { event, makeTask, persistOf, testDirectory, theLane } from '../store/records.js';
import { startTestCoordinator } from '../support/coordinator.js';
import { eventually } from '../support/eventually.js';

it('prunes a backlog of many slices without a rest between them, and keeps what is not old', async () => {
  const data = testDirectory();
  const file = join(data, 'pool.db');
  const store = openSqliteStore(file);
  const old = Date.now() - 8 * 86_400_000;
  const ended = (seq: number, endedAt: number) => makeTask(seq, { state: 'failed', attempt: 1, endedAt });
  const tasks = new Set(Array.from({ length: 5_000 }, (_, i) => ended(i + 1, old)));
  const kept = [ended(5_001, Date.now()), makeTask(5_002)];
  const counts = { laneDeltas: new Map([[1, { queued: 1, open: 1 }]]), ownerDeltas: new Map([['alice', 1]]) };
  const lane = theLane();
  store.commit(persistOf({ newLanes: [lane], tasks: new Set([...tasks, ...kept]), ...counts }), old);
  for (let seq = 1; seq <= 500; seq++) store.commit(persistOf({ events: [event(seq)] }), old);
  store.close();
  const coordinator = await startTestCoordinator({ data });
  onTestFinished(() => coordinator.dispose());
  const database = openReader(file);
  onTestFinished(() => void database.close());
  const left = (sql: string) => database.prepare(sql).pluck().all();
  await eventually(() => {
    expect(left('SELECT seq FROM tasks')).toEqual([5_001, 5_002]);
    expect(left('SELECT first FROM events WHERE first <= 500')).toEqual([]);
  });
});

it('removes blobs that nobody names any more, and files that a crash left without a row', async () => {
  const data = testDirectory();
  const store = openSqliteStore(join(data, 'pool.db'));
  const [unnamed, named, orphan] = ['aa', 'bb', 'cc'].map((byte) => byte.repeat(32)) as [string, string, string];
  const uploaded = { owner: 'alice', size: 1, uploader: 'subject alice', attempt: '' };
  for (const blob of [unnamed, named]) store.blobs.addBlob({ ...uploaded, blob }, Date.now() - 2 * 3_600_000);
  store.commit(persistOf({ tasks: new Set([makeTask(1)]), blobRefs: [{ owner: 'alice', blob: named, seq: 1 }] }), 1);
  store.close();
  const fileOf = (blob: string) => join(data, 'blobs', blob.slice(0, 2), blob);
  for (const blob of [unnamed, named, orphan]) {
    mkdirSync(dirname(fileOf(blob)), { recursive: true });
    writeFileSync(fileOf(blob), 'x');
  }
  const coordinator = await startTestCoordinator({ data });
  onTestFinished(() => coordinator.dispose());
  await eventually(() => expect([unnamed, orphan].map((blob) => existsSync(fileOf(blob)))).toEqual([false, false]));
  expect(existsSync(fileOf(named))).toBe(true);
});
