/** What belongs to one subject is not there for another: tasks, blobs, events, and the attempts of workers. */
import { createHash } from 'node:crypto';
import { LIMITS } from '@rma/protocol/limits';
import { packPayload } from '@rma/protocol/payload';
import { beforeAll, describe, expect, it } from 'vitest';
import { echoTask, newTaskId, type Peer } from '../support/peer.js';
import { usePool } from '../support/pool.js';

const pool = usePool();
let strangersToken: string;
beforeAll(async () => {
  strangersToken = (await pool.mint({ role: 'client', name: 'stranger' })).token;
});

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Uploads what fits into the first window. */
async function upload(peer: Peer, stream: number, bytes: Uint8Array): Promise<string> {
  const blob = hashOf(bytes);
  peer.send({ type: 'blob.put', stream, blob, size: bytes.length });
  await peer.waitFor('blob.ready', (ready) => ready.stream === stream);
  peer.sendData(stream, bytes);
  peer.send({ type: 'stream.end', stream });
  await peer.waitFor('blob.stored', (stored) => stored.stream === stream);
  return blob;
}

/** The error that a stream ended with. */
const aborted = async (peer: Peer, stream: number) =>
  (await peer.waitFor('stream.abort', (abort) => abort.stream === stream)).error;

describe("another client's task", () => {
  it('is not found by query, watch and cancel, nor listed', async () => {
    const owner = await pool.client();
    const stranger = await pool.client(strangersToken);
    const task = echoTask('mine', { constraints: { labels: { nowhere: 'yes' } } });
    owner.send({ type: 'submit', tasks: [task] });
    await owner.waitFor('accepted');

    await expect(stranger.ask({ type: 'query', query: { what: 'task', task: task.id } })).rejects.toThrow(/^not_found/);
    await expect(stranger.ask({ type: 'cancel', task: task.id })).rejects.toThrow(/^not_found/);
    expect(await stranger.ask({ type: 'cancels', tasks: [task.id] })).toMatchObject({
      cancelled: [],
      failed: [{ task: task.id, error: { kind: 'not_found' } }],
    });
    stranger.send({ type: 'watch', tasks: [{ task: task.id }] });
    expect((await stranger.waitFor('refused')).tasks).toEqual([
      { task: task.id, error: { kind: 'not_found', message: `there is no task ${task.id}` } },
    ]);
    expect(await stranger.ask({ type: 'query', query: { what: 'tasks' } })).toEqual([]);
    const events = await stranger.ask({ type: 'query', query: { what: 'events', since: 0 } });
    expect(JSON.stringify(events)).not.toContain(task.id);

    expect(await owner.ask({ type: 'query', query: { what: 'task', task: task.id } })).toMatchObject({
      state: 'queued',
    });
    expect(await owner.ask({ type: 'cancel', task: task.id })).toEqual({ state: 'cancelled' });
  });

  it('cannot be submitted again by another owner, who does not get its result', async () => {
    const owner = await pool.client();
    const stranger = await pool.client(strangersToken);
    const task = echoTask('mine');
    const { peer: worker } = await pool.worker();
    owner.send({ type: 'submit', tasks: [task], watch: true });
    await worker.waitFor('dispatch');
    worker.send({ type: 'results', results: [{ task: task.id, attempt: 1, output: packPayload('the secret') }] });
    await owner.waitFor('ended');
    stranger.send({ type: 'submit', tasks: [task], watch: true });
    expect((await stranger.waitFor('refused')).tasks[0]).toMatchObject({ task: task.id, error: { kind: 'conflict' } });
    expect(stranger.inbox).toEqual([]);
  });

  it('is seen by every session of the same subject, and by an admin', async () => {
    const owner = await pool.client();
    const sibling = await pool.client();
    const admin = await pool.admin();
    const task = echoTask(1, { constraints: { labels: { nowhere: 'yes' } } });
    owner.send({ type: 'submit', tasks: [task] });
    await owner.waitFor('accepted');
    for (const peer of [sibling, admin]) {
      peer.send({ type: 'watch', tasks: [{ task: task.id }] });
      expect((await peer.waitFor('changed')).tasks).toMatchObject([{ task: task.id, state: 'queued' }]);
    }
    expect(await admin.ask({ type: 'cancel', task: task.id })).toEqual({ state: 'cancelled' });
    expect((await sibling.waitFor('ended')).tasks).toMatchObject([
      { task: task.id, state: 'cancelled', error: { code: 'cancelled', message: 'cancelled by admin' } },
    ]);
  });
});

describe("another client's blob", () => {
  it('is not found, cannot be named in a task, and has to be uploaded by a client that claims to have it', async () => {
    const owner = await pool.client();
    const stranger = await pool.client(strangersToken);
    const blob = await upload(owner, 1, Buffer.from('only mine'));
    stranger.send({ type: 'blob.get', stream: 1, blob, offset: 0, credit: 100 });
    expect(await aborted(stranger, 1)).toMatchObject({ kind: 'not_found' });
    const task = echoTask({ $blob: blob, size: 9, as: 'bytes' }, { blobs: [blob] });
    stranger.send({ type: 'submit', tasks: [task] });
    expect((await stranger.waitFor('refused')).tasks[0]?.error).toMatchObject({ kind: 'not_found', path: '/blobs' });
    stranger.send({ type: 'blob.put', stream: 2, blob, size: 9 });
    expect(await stranger.waitFor('blob.ready')).toMatchObject({ stream: 2, offset: 0 });
    const admin = await pool.admin();
    admin.send({ type: 'blob.get', stream: 1, blob, offset: 0, credit: 100 });
    expect(await aborted(admin, 1)).toMatchObject({ kind: 'not_found' });
  });

  it('is read by an admin who names a task of its owner, and by no other role that does', async () => {
    const owner = await pool.client();
    const blob = await upload(owner, 1, Buffer.from('for the record'));
    const nowhere = { labels: { nowhere: 'yes' } };
    const task = echoTask({ $blob: blob, size: 14, as: 'bytes' }, { blobs: [blob], constraints: nowhere });
    owner.send({ type: 'submit', tasks: [task] });
    await owner.waitFor('accepted');
    const get = { type: 'blob.get', stream: 1, blob, offset: 0, credit: 100, task: task.id } as const;
    const stranger = await pool.client(strangersToken);
    stranger.send(get);
    expect(await aborted(stranger, 1)).toMatchObject({ kind: 'not_found' });
    const admin = await pool.admin();
    admin.send(get);
    expect(await admin.waitFor('blob.head')).toEqual({ type: 'blob.head', stream: 1, size: 14 });
    await admin.waitFor('stream.end');
    admin.send({ ...get, stream: 2, task: newTaskId() });
    expect(await aborted(admin, 2)).toMatchObject({ kind: 'not_found' });
    await owner.ask({ type: 'cancel', task: task.id });
  });
});

it('a list of tasks is narrowed by states, worker and owner; the owner counts for admins alone', async () => {
  const owner = await pool.client();
  const nowhere = { constraints: { labels: { nowhere: 'list' } } };
  const [waiting, ended] = [echoTask(1, nowhere), echoTask(2, nowhere)];
  owner.send({ type: 'submit', tasks: [waiting, ended] });
  await owner.waitFor('accepted');
  await owner.ask({ type: 'cancel', task: ended.id });
  const ids = async (peer: Peer, query: object) => {
    const found = await peer.ask({ type: 'query', query: { what: 'tasks', kind: 'echo', limit: 2, ...query } });
    return (found as { id: string }[]).map(({ id }) => id);
  };
  const admin = await pool.admin();
  expect(await ids(admin, { states: ['queued', 'cancelled'] })).toEqual([ended.id, waiting.id]);
  expect(await ids(admin, { states: ['queued'] })).toContain(waiting.id);
  expect(await ids(admin, { owner: 'nobody-at-all' })).toEqual([]);
  expect(await ids(admin, { worker: 'w-nowhere' })).toEqual([]);
  const stranger = await pool.client(strangersToken);
  const detail = await owner.ask({ type: 'query', query: { what: 'task', task: waiting.id } });
  const { owner: subject } = detail as { owner: string };
  expect(await ids(admin, { owner: subject })).toEqual([ended.id, waiting.id]);
  expect(await ids(stranger, { owner: subject })).toEqual([]);
  await owner.ask({ type: 'cancel', task: waiting.id });
});

describe('a worker', () => {
  it('reads the blobs of the attempt that it runs, and no others', async () => {
    const client = await pool.client();
    const { peer: mine } = await pool.worker({ kinds: ['own.mine'] });
    const { peer: other } = await pool.worker({ kinds: ['own.other'] });
    const blob = await upload(client, 1, Buffer.from('an input'));
    const unrelated = await upload(client, 2, Buffer.from('something else'));
    const task = echoTask({ $blob: blob, size: 8, as: 'bytes' }, { kind: 'own.mine', blobs: [blob] });
    client.send({ type: 'submit', tasks: [task] });
    expect((await mine.waitFor('dispatch')).tasks).toMatchObject([{ task: task.id, attempt: 1, blobs: [blob] }]);
    const attempt = { task: task.id, attempt: 1 };
    const get = { type: 'blob.get', offset: 0, credit: 100 } as const;

    mine.send({ ...get, stream: 1, blob, attempt });
    expect(await mine.waitFor('blob.head')).toEqual({ type: 'blob.head', stream: 1, size: 8 });
    await mine.waitFor('stream.end');
    expect(mine.data.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['an input']);

    mine.send({ ...get, stream: 2, blob: unrelated, attempt });
    expect(await aborted(mine, 2)).toMatchObject({ kind: 'not_found' });
    mine.send({ ...get, stream: 3, blob });
    expect(await aborted(mine, 3)).toMatchObject({ kind: 'not_found' });
    mine.send({ ...get, stream: 4, blob, attempt: { ...attempt, attempt: 2 } });
    expect(await aborted(mine, 4)).toMatchObject({ kind: 'not_found' });
    other.send({ ...get, stream: 1, blob, attempt });
    expect(await aborted(other, 1)).toMatchObject({ kind: 'not_found' });

    mine.send({ type: 'results', results: [{ task: task.id, attempt: 1, output: packPayload(null) }] });
    await mine.waitFor('acknowledged');
    mine.send({ ...get, stream: 5, blob, attempt });
    expect(await aborted(mine, 5)).toMatchObject({ kind: 'not_found' });
  });

  it('writes blobs for the attempt that it runs, which then are the client’s', async () => {
    const client = await pool.client();
    const { peer: mine } = await pool.worker({ kinds: ['own.write'] });
    const { peer: other } = await pool.worker({ kinds: ['own.other'] });
    const task = echoTask(null, { kind: 'own.write' });
    client.send({ type: 'submit', tasks: [task], watch: true });
    await mine.waitFor('dispatch');
    const bytes = Buffer.from('an output');
    const blob = hashOf(bytes);
    const attempt = { task: task.id, attempt: 1 };

    other.send({ type: 'blob.put', stream: 1, blob, size: bytes.length, attempt });
    expect(await other.waitFor('error')).toMatchObject({ about: 'blob.put', error: { kind: 'not_found' } });
    mine.send({ type: 'blob.put', stream: 1, blob, size: bytes.length });
    expect(await mine.waitFor('error')).toMatchObject({ about: 'blob.put', error: { kind: 'not_found' } });

    mine.send({ type: 'blob.put', stream: 1, blob, size: bytes.length, attempt });
    await mine.waitFor('blob.ready');
    mine.sendData(1, bytes);
    mine.send({ type: 'stream.end', stream: 1 });
    await mine.waitFor('blob.stored');
    const output = packPayload({ $blob: blob, size: bytes.length, as: 'bytes' });
    mine.send({ type: 'results', results: [{ ...attempt, output, blobs: [blob] }] });
    expect((await client.waitFor('ended')).tasks).toMatchObject([{ state: 'succeeded', blobs: [blob] }]);
    client.send({ type: 'blob.get', stream: 1, blob, offset: 0, credit: 100 });
    await client.waitFor('stream.end');
    expect(Buffer.from(client.data[0]?.bytes ?? []).toString()).toBe('an output');
  });

  it('stores no more blobs for an attempt than its result may name, and its owner can upload all the same', async () => {
    const client = await pool.client();
    const { peer: greedy } = await pool.worker({ kinds: ['own.greedy'] });
    const task = echoTask(null, { kind: 'own.greedy' });
    client.send({ type: 'submit', tasks: [task] });
    await greedy.waitFor('dispatch');
    const attempt = { task: task.id, attempt: 1 };
    for (let stream = 1; stream <= LIMITS.maxBlobsPerTask; stream++) {
      const bytes = Buffer.from(`blob ${stream}`);
      greedy.send({ type: 'blob.put', stream, blob: hashOf(bytes), size: bytes.length, attempt });
      await greedy.waitFor('blob.ready', (ready) => ready.stream === stream);
      greedy.sendData(stream, bytes);
      greedy.send({ type: 'stream.end', stream });
      await greedy.waitFor('blob.stored', (stored) => stored.stream === stream);
    }
    const stream = LIMITS.maxBlobsPerTask + 1;
    greedy.send({ type: 'blob.put', stream, blob: hashOf(Buffer.from('more')), size: 4, attempt });
    expect(await aborted(greedy, stream)).toMatchObject({ kind: 'too_large' });
    await upload(client, 1, Buffer.from('the owner’s own'));
  });

  it("changes nothing of another worker's attempt, but is acknowledged", async () => {
    const client = await pool.client();
    const { peer: mine } = await pool.worker({ kinds: ['own.fence'] });
    const { peer: other } = await pool.worker({ kinds: ['own.other'] });
    const task = echoTask(null, { kind: 'own.fence' });
    client.send({ type: 'submit', tasks: [task], watch: true });
    await mine.waitFor('dispatch');
    const attempt = { task: task.id, attempt: 1 };
    other.send(
      { type: 'progress', ...attempt, fraction: 0.9 },
      { type: 'chunks', chunks: [{ ...attempt, chunk: 1, data: packPayload('forged') }] },
      { type: 'results', results: [{ ...attempt, output: packPayload('forged') }] },
    );
    expect(await other.waitFor('acknowledged', ({ results }) => results !== undefined)).toMatchObject({
      results: [attempt],
    });
    mine.send({ type: 'results', results: [{ ...attempt, attempt: 2, output: packPayload('from the future') }] });
    expect((await mine.waitFor('acknowledged')).results).toEqual([{ ...attempt, attempt: 2 }]);
    expect(client.inbox.filter(({ type }) => type === 'chunks' || type === 'ended')).toEqual([]);
    mine.send({ type: 'results', results: [{ ...attempt, output: packPayload('genuine') }] });
    expect((await client.waitFor('ended')).tasks[0]?.output).toEqual(packPayload('genuine'));
  });
});
