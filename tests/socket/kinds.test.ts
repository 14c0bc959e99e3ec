/** The query `kinds`: figures of every known kind, the same for clients and admins, in pages by name. */
import { packPayload } from '@rma/protocol/payload';
import type { KindView } from '@rma/protocol/view';
import { expect, it } from 'vitest';
import { echoTask, type Peer } from '../support/peer.js';
import { eventually, usePool } from '../support/pool.js';

const pool = usePool();

const kindsFor = async (peer: Peer, page: { after?: string; limit?: number } = {}) =>
  (await peer.ask({ type: 'query', query: { what: 'kinds', ...page } })) as KindView[];
const kindFor = async (peer: Peer, name: string) => (await kindsFor(peer)).find(({ kind }) => kind === name);

it('counts what waits, what runs and who serves it, of whichever owner, for clients and admins alike', async () => {
  const admin = await pool.admin();
  const owner = await pool.client();
  const stranger = await pool.client((await pool.mint({ role: 'client', name: 'stranger' })).token);
  const kind = 'own.counted';
  expect(await kindFor(admin, kind)).toBeUndefined();

  const { peer: worker } = await pool.worker({ kinds: [kind], slots: 1 });
  await eventually(async () => expect(await kindFor(admin, kind)).toEqual({ kind, queued: 0, running: 0, workers: 1 }));
  const tasks = [1, 2, 3].map((n) => echoTask(n, { kind }));
  const scheduled = echoTask(4, { kind, notBefore: Date.now() + 600_000 });
  owner.send({ type: 'submit', tasks: [...tasks, scheduled], watch: true });
  const [first] = (await worker.waitFor('dispatch')).tasks;
  for (const peer of [admin, owner, stranger]) {
    expect(await kindFor(peer, kind)).toEqual({ kind, queued: 2, running: 1, workers: 1 });
  }

  const output = packPayload(null);
  worker.send({ type: 'results', results: [{ task: first!.task, attempt: 1, output, runMs: 1_200 }] });
  await owner.waitFor('ended');
  expect(await kindFor(stranger, kind)).toEqual({ kind, queued: 1, running: 1, workers: 1, meanRunMs: 1_200 });

  const open = [...tasks, scheduled].filter(({ id }) => id !== first!.task);
  for (const { id } of open) await owner.ask({ type: 'cancel', task: id });
  await worker.close();
  await eventually(async () =>
    expect(await kindFor(admin, kind)).toEqual({ kind, queued: 0, running: 0, workers: 0, meanRunMs: 1_200 }),
  );
});

it('counts an attempt of an absent worker as running, also after a restart of the coordinator', async () => {
  const kind = 'own.outlives';
  const owner = await pool.client();
  const { peer: worker } = await pool.worker({ kinds: [kind] });
  const task = echoTask(1, { kind });
  owner.send({ type: 'submit', tasks: [task] });
  await worker.waitFor('dispatch');
  await pool.restart();
  const client = await pool.client();
  expect(await kindFor(client, kind)).toEqual({ kind, queued: 0, running: 1, workers: 0 });
  await client.ask({ type: 'cancel', task: task.id });
  expect(await kindFor(client, kind)).toEqual({ kind, queued: 0, running: 0, workers: 0 });
});

it('comes in pages by name, the last of which is empty', async () => {
  const client = await pool.client();
  const all = (await kindsFor(client)).map(({ kind }) => kind);
  expect(all).toContain('echo');
  expect(all).toEqual(all.toSorted());
  const paged: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await kindsFor(client, { limit: 2, ...(after === undefined ? {} : { after }) });
    expect(page.length).toBeLessThanOrEqual(2);
    after = page.at(-1)?.kind;
    if (after === undefined) break;
    paged.push(...page.map(({ kind }) => kind));
  }
  expect(paged).toEqual(all);
});
