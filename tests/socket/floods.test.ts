/** One who asks too much: the others' answers come in their turn, and nothing is done for who has gone. */
import { expect, it } from 'vitest';
import { newTaskId } from '../support/peer.js';
import { usePool } from '../support/pool.js';

const pool = usePool();

it("an admin's question is answered behind a few of a client's 250, of the past as of the present", async () => {
  const client = await pool.client();
  const admin = await pool.admin();
  for (const query of [{ what: 'tasks', limit: 1_000 }, { what: 'stats' }] as const) {
    const before = client.inbox.length;
    for (let i = 0; i < 250; i++) client.send({ type: 'query', ref: i + 1, query });
    // A reply says that the flood is being served: the admin's question comes in the middle of it.
    await client.until(() => client.inbox.length > before || undefined, 'a reply');
    await admin.ask({ type: 'query', query });
    await client.until(() => client.inbox.length === before + 250 || undefined, 'all replies');
  }
});

it('two hundred queries and a hang-up leave nothing to be done', async () => {
  const client = await pool.client();
  for (let i = 0; i < 200; i++) {
    client.send({ type: 'query', ref: i + 1, query: { what: 'history', limit: 1_000, types: ['no.such'] } });
  }
  await client.close();
  const admin = await pool.admin();
  expect(await admin.ask({ type: 'query', query: { what: 'tasks' } })).toEqual([]);
  // The queue was emptied with the session, not by answering it.
  expect(pool.coordinator.counts().queries).toBeLessThanOrEqual(1);
});

it('downloads of an admin that has gone, on streams that were not admitted, harm nobody', async () => {
  const admin = await pool.admin();
  const get = { type: 'blob.get', stream: 1, blob: 'ab'.repeat(32), offset: 0, credit: 0, task: newTaskId() } as const;
  for (let i = 0; i < 200; i++) admin.send(get);
  await admin.close();
  // A rejection that nobody handles would end the coordinator, here this process.
  const other = await pool.admin();
  expect(await other.ask({ type: 'query', query: { what: 'tasks' } })).toEqual([]);
});
