/** The SDK against a peer that speaks frames: what is sent, what settles, what is sent again. */
import { type Client, ClosedError, connect, OfflineError, ProtocolError, TaskError } from '@rma/client';
import { newTaskId } from '@rma/client/task-id';
import { LIMITS } from '@rma/protocol/limits';
import { packPayload, unpackPayload } from '@rma/protocol/payload';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { PoolPeer, succeeded, WORKER } from './support/pool-peer.js';

const [A, B] = [newTaskId(), newTaskId()];
let peer: PoolPeer;
let client: Client;

beforeEach(async () => {
  peer = await PoolPeer.start();
  client = connect({ url: peer.url, token: 'a token' });
});

afterEach(async () => {
  await client.close();
  // A socket that the client leaves behind shows here.
  await peer.empty();
  await peer.stop();
});

it('greets with the token and its version, and tells its role', async () => {
  const ready = client.ready();
  const session = await peer.connection();
  const hello = await session.next('hello');
  expect(hello).toMatchObject({ protocol: 1, token: 'a token', agent: { name: '@rma/client' } });
  session.welcome('admin');
  expect(await ready).toMatchObject({ role: 'admin', subject: 'tester' });
});

it('submits, hears of the acceptance and gives the result', async () => {
  const task = client.submit('echo', { greeting: 'hello' }, { priority: 7, timeoutMs: 5_000 });
  const session = await peer.session();
  const submit = await session.next('submit');
  expect(submit.watch).toBe(true);
  expect(submit.tasks).toMatchObject([{ id: task.id, kind: 'echo', priority: 7, timeoutMs: 5_000 }]);
  expect(unpackPayload(submit.tasks[0]?.input as Uint8Array)).toEqual({ greeting: 'hello' });
  session.send(
    { type: 'accepted', tasks: [task.id] },
    { type: 'ended', tasks: [succeeded(task.id, { greeting: 'hello' })] },
  );
  await task.accepted;
  expect(await task.result()).toEqual({
    id: task.id,
    kind: 'echo',
    state: 'succeeded',
    output: { greeting: 'hello' },
    worker: WORKER,
    attempts: 1,
    timings: { queuedMs: 200, runMs: 300, totalMs: 500 },
  });
  expect(await task.output()).toEqual({ greeting: 'hello' });
});

it('sends the submits of one turn in few frames: a small one that leaves at once, then ever larger ones', async () => {
  const session = await peer.session();
  await client.ready();
  const tasks = client.submitMany(Array.from({ length: 500 }, (_, n) => ({ kind: 'echo', input: n })));
  const frames: string[][] = [];
  while (frames.flat().length < tasks.length) {
    const submit = await session.next('submit');
    frames.push(submit.tasks.map(({ id }) => id));
  }
  expect(frames.flat()).toEqual(tasks.map(({ id }) => id));
  expect(frames.map(({ length }) => length)).toEqual([16, 32, 64, 128, 256, 4]);
});

it('submits nothing of many where one is invalid, and names the field', async () => {
  const jobs = [{ kind: 'echo' }, { kind: 'echo', priority: 1_000 }];
  expect(() => client.submitMany(jobs)).toThrow(/priority must be <= 100/);
  expect(() => client.submit('No Kind')).toThrow(ProtocolError);
  const session = await peer.session();
  const task = client.submit('echo');
  expect((await session.next('submit')).tasks.map(({ id }) => id)).toEqual([task.id]);
});

it('rejects what is refused, with the kind of the refusal', async () => {
  const task = client.submit('ocr.raed', {});
  const session = await peer.session();
  await session.next('submit');
  const error = { kind: 'unknown_kind', message: 'no worker offers ocr.raed: did you mean ocr.read?' } as const;
  session.send({ type: 'refused', tasks: [{ task: task.id, error }] });
  await expect(task.accepted).rejects.toMatchObject({ kind: 'unknown_kind', message: error.message });
  await expect(task.result()).rejects.toBeInstanceOf(ProtocolError);
});

it('submits again what is refused for a full disk', async () => {
  const task = client.submit('echo', 1);
  const session = await peer.session();
  await session.next('submit');
  session.send({ type: 'refused', tasks: [{ task: task.id, error: { kind: 'storage_full', message: 'full' } }] });
  expect((await session.next('submit')).tasks[0]?.id).toBe(task.id);
  session.send({ type: 'accepted', tasks: [task.id] });
  await task.accepted;
});

it('after a reconnect submits only what was not accepted, and watches the rest from the last chunk', async () => {
  const [done, running, unanswered] = client.submitMany([{ kind: 'a' }, { kind: 'b' }, { kind: 'c' }]);
  const chunks = running?.[Symbol.asyncIterator]();
  const first = await peer.session();
  await first.next('submit');
  const ids = [done, running, unanswered].map((task) => task?.id as string);
  const [doneId = '', runningId = '', unansweredId = ''] = ids;
  first.send(
    { type: 'accepted', tasks: [doneId, runningId] },
    { type: 'ended', tasks: [succeeded(doneId, 'done')] },
    {
      type: 'chunks',
      chunks: [1, 2].map((chunk) => ({ task: runningId, attempt: 1, chunk, data: packPayload(chunk) })),
    },
  );
  expect(await done?.output()).toBe('done');
  expect((await chunks?.next())?.value).toEqual({ attempt: 1, chunk: 1, data: 1 });
  first.kill();
  const second = await peer.session();
  expect((await second.next('watch')).tasks).toEqual([{ task: runningId, after: { attempt: 1, chunk: 2 } }]);
  expect((await second.next('submit')).tasks.map(({ id }) => id)).toEqual([unansweredId]);
  second.send(
    { type: 'accepted', tasks: [unansweredId] },
    { type: 'chunks', chunks: [{ task: runningId, attempt: 1, chunk: 3, data: packPayload(3) }] },
    { type: 'ended', tasks: [succeeded(runningId, 'ran'), succeeded(unansweredId, 'ran late')] },
    { type: 'ended', tasks: [succeeded(runningId, 'ran twice?')] },
  );
  expect((await chunks?.next())?.value).toMatchObject({ chunk: 2 });
  expect((await chunks?.next())?.value).toMatchObject({ chunk: 3 });
  expect((await chunks?.next())?.done).toBe(true);
  expect(await running?.output()).toBe('ran');
  expect(await unanswered?.output()).toBe('ran late');
});

it('throws a TaskError for the output of a task that failed, and gives its end as a value', async () => {
  const task = client.submit('echo', { fail: 'no' });
  const session = await peer.session();
  await session.next('submit');
  const { output: _, ...facts } = succeeded(task.id, null);
  session.send({ type: 'accepted', tasks: [task.id] });
  session.send({ type: 'ended', tasks: [{ ...facts, state: 'failed', error: { code: 'echo.fail', message: 'no' } }] });
  expect(await task.result()).toMatchObject({ state: 'failed', error: { code: 'echo.fail' } });
  const output = task.output();
  await expect(output).rejects.toBeInstanceOf(TaskError);
  await expect(output).rejects.toMatchObject({ code: 'echo.fail', message: 'no', state: 'failed' });
});

it('follows a task by its id, and leaves it when the loop is left', async () => {
  const id = '0198a3c2-5b7e-7c41-9d55-0a1b2c3d4e5f';
  const session = await peer.session();
  const seen: unknown[] = [];
  const loop = (async () => {
    for await (const { data } of client.watch(id)) {
      seen.push(data);
      if (seen.length === 2) break;
    }
  })();
  const watch = await session.next('watch');
  expect(watch.tasks).toEqual([{ task: id, after: { attempt: 1, chunk: 0 } }]);
  session.send(
    { type: 'changed', tasks: [{ task: id, state: 'running', attempt: 1 }] },
    { type: 'chunks', chunks: [1, 2, 3].map((chunk) => ({ task: id, attempt: 1, chunk, data: packPayload(chunk) })) },
  );
  await loop;
  expect(seen).toEqual([1, 2]);
  expect((await session.next('unwatch')).tasks).toEqual([id]);
});

it('tells of an unknown id', async () => {
  const task = client.watch('0198a3c2-5b7e-7c41-9d55-0a1b2c3d4e5f');
  const session = await peer.session();
  await session.next('watch');
  session.send({ type: 'refused', tasks: [{ task: task.id, error: { kind: 'not_found', message: 'no such task' } }] });
  await expect(task.result()).rejects.toMatchObject({ kind: 'not_found' });
});

it('tells changes from the last one known, and folds progress that nobody read', async () => {
  const task = client.submit('echo');
  const session = await peer.session();
  await session.next('submit');
  session.send({ type: 'accepted', tasks: [task.id] });
  const changes = task.changes[Symbol.asyncIterator]();
  for (const fraction of [0.1, 0.2, 0.9]) {
    session.send({ type: 'changed', tasks: [{ task: task.id, state: 'running', attempt: 1, fraction }] });
  }
  session.send({ type: 'ended', tasks: [succeeded(task.id, 1)] });
  await task.result();
  expect((await changes.next()).value).toMatchObject({ state: 'running', fraction: 0.9 });
  expect((await changes.next()).done).toBe(true);
});

it('cancels once the task is accepted, and takes a cancel that was done already for done', async () => {
  const task = client.submit('echo');
  const cancelled = task.cancel();
  const session = await peer.session();
  await session.next('submit');
  session.send({ type: 'accepted', tasks: [task.id] });
  const { ref } = await session.next('cancel');
  session.send({ type: 'error', ref, error: { kind: 'conflict', message: 'it is cancelled' } });
  const query = await session.next('query');
  session.send({ type: 'reply', ref: query.ref, result: { id: task.id, state: 'cancelled' } });
  await cancelled;
});

it('cancels many in one frame where the coordinator has the feature, and asks again after a reconnect', async () => {
  const ids = [A, B, A];
  const settled: number[] = [];
  const outcome = client.cancelMany(ids, (count) => settled.push(count));
  const first = await peer.session('client', ['cancels']);
  expect((await first.next('cancels')).tasks).toEqual([A, B]);
  first.kill();
  const second = await peer.session('client', ['cancels']);
  const { ref, tasks } = await second.next('cancels');
  expect(tasks).toEqual([A, B]);
  const failed = [{ task: B, error: { kind: 'conflict' as const, message: `task ${B} succeeded already` } }];
  second.send({ type: 'reply', ref, result: { cancelled: [A], failed } });
  expect(await outcome).toMatchObject({ cancelled: [A], failed: [{ id: B, error: { kind: 'conflict' } }] });
  expect(settled).toEqual([2]);
});

it('cancels more than a frame takes in several, and goes on after one that is refused', async () => {
  const ids = Array.from({ length: LIMITS.maxItems + 1 }, newTaskId);
  const outcome = client.cancelMany(ids);
  const session = await peer.session('client', ['cancels']);
  const full = await session.next('cancels');
  expect(full.tasks).toHaveLength(LIMITS.maxItems);
  session.send({ type: 'error', ref: full.ref, error: { kind: 'storage_full', message: 'the disk is full' } });
  const { ref, tasks } = await session.next('cancels');
  session.send({ type: 'reply', ref, result: { cancelled: tasks, failed: [] } });
  const { cancelled, failed } = await outcome;
  expect(cancelled).toEqual(ids.slice(-1));
  expect(failed.map(({ id }) => id)).toEqual(ids.slice(0, -1));
  expect(failed[0]?.error).toMatchObject({ kind: 'storage_full' });
});

it.each([
  ['that lacks the feature', []],
  ['that took the place of one with the feature', ['cancels' as const]],
])('cancels many one by one at a coordinator %s', async (_, features) => {
  const outcome = client.cancelMany([A, B]);
  const session = await peer.session('client', features);
  if (features.length > 0) {
    const { ref } = await session.next('cancels');
    session.send({ type: 'error', ref, error: { kind: 'unknown_message', message: "there is no message 'cancels'" } });
  }
  const [a, b] = [await session.next('cancel'), await session.next('cancel')];
  expect([a.task, b.task]).toEqual([A, B]);
  session.send({ type: 'error', ref: b.ref, error: { kind: 'not_found', message: `there is no task ${B}` } });
  session.send({ type: 'reply', ref: a.ref, result: { state: 'cancelled' } });
  expect(await outcome).toMatchObject({ cancelled: [A], failed: [{ id: B, error: { kind: 'not_found' } }] });
});

it('cancels none of many once it is closed, and says so for each', async () => {
  const outcome = client.cancelMany([A, B]);
  await client.close();
  const { cancelled, failed } = await outcome;
  expect(cancelled).toEqual([]);
  expect(failed.map(({ id, error }) => [id, error instanceof ClosedError])).toEqual([
    [A, true],
    [B, true],
  ]);
  expect(await client.cancelMany([])).toEqual({ cancelled: [], failed: [] });
});

it('asks again after a reconnect, but never makes a token twice', async () => {
  const first = await peer.session('admin');
  const stats = client.stats();
  const token = client.createToken({ role: 'client', name: 'web' });
  await first.next('query');
  await first.next('act');
  first.kill();
  await expect(token).rejects.toMatchObject({ kind: 'unavailable' });
  const second = await peer.session('admin');
  const { ref } = await second.next('query');
  second.send({ type: 'reply', ref, result: { lastEvent: 3 } });
  expect(await stats).toEqual({ lastEvent: 3 });
});

it('speaks JSON where that is asked for, with bytes as $bytes', async () => {
  await client.close();
  client = connect({ url: peer.url, token: 'a token', subprotocol: 'rma.v1.json' });
  const session = await peer.session();
  const task = client.submit<{ file: Uint8Array }>('echo', { file: new Uint8Array([1, 2, 255]) });
  const submit = await session.next('submit');
  expect(unpackPayload(submit.tasks[0]?.input as Uint8Array)).toEqual({ file: Buffer.from([1, 2, 255]) });
  session.send({ type: 'accepted', tasks: [task.id] });
  session.send({ type: 'ended', tasks: [succeeded(task.id, { file: new Uint8Array([7]) })] });
  expect([...(await task.output()).file]).toEqual([7]);
});

it('rejects everything with the reason where the token is wrong, and dials no more', async () => {
  const task = client.submit('echo');
  const session = await peer.connection();
  await session.next('hello');
  session.send(
    { type: 'error', error: { kind: 'unauthenticated', message: 'this token is not of this pool' } },
    { type: 'goodbye', reason: 'unauthenticated', message: 'token' },
  );
  session.close(4401);
  await expect(task.result()).rejects.toMatchObject({
    kind: 'unauthenticated',
    message: 'this token is not of this pool',
  });
  await expect(client.stats()).rejects.toMatchObject({ kind: 'unauthenticated' });
  await expect(client.submit('echo').accepted).rejects.toMatchObject({ kind: 'unauthenticated' });
  expect(peer.connections).toBe(1);
});

it('rejects what is pending when it is closed', async () => {
  const task = client.submit('echo');
  const chunks = task[Symbol.asyncIterator]().next();
  const result = task.result();
  const stats = client.stats();
  await peer.session();
  await Promise.all([
    client.close(),
    expect(result).rejects.toBeInstanceOf(ClosedError),
    expect(stats).rejects.toBeInstanceOf(ClosedError),
    expect(chunks).rejects.toBeInstanceOf(ClosedError),
  ]);
});

it('gives up after offlineTimeoutMs, naming the reason', async () => {
  await client.close();
  const { url } = peer;
  await peer.stop();
  client = connect({ url, token: 'a token', offlineTimeoutMs: 300 });
  const stats = client.stats();
  await expect(stats).rejects.toBeInstanceOf(OfflineError);
  await expect(stats).rejects.toThrow(/ECONNREFUSED/);
});

it('beats after 3 s of silence, and dials again after 8 s without hearing anything', async () => {
  const first = await peer.session();
  await first.next('heartbeat');
  const second = await peer.session();
  expect(peer.connections).toBe(2);
  second.close(1000);
});

it('ignores messages that it does not know, and drops a session that breaks the protocol', async () => {
  const first = await peer.session();
  await client.ready();
  first.sendText('{"type":"news.of.version.2"}');
  const stats = client.stats();
  const { ref } = await first.next('query');
  first.send({ type: 'reply', ref, result: 1 });
  expect(await stats).toBe(1);
  first.sendText('{"type":"accepted","tasks":7}');
  expect(await first.closed).toBe(4400);
  await peer.session();
});
