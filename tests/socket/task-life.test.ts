/** A task's life as the wire shows it: from submit to its end, with chunks, progress, watchers, cancels and losses. */
import { LIMITS } from '@rma/protocol/limits';
import { packPayload, unpackPayload } from '@rma/protocol/payload';
import type { TaskSpec } from '@rma/protocol/task';
import { SUBPROTOCOLS } from '@rma/protocol/version';
import type { TaskDetail } from '@rma/protocol/view';
import { describe, expect, it } from 'vitest';
import { echoTask, newTaskId, type Peer, workerHello } from '../support/peer.js';
import { eventually, type PoolWorker, usePool } from '../support/pool.js';
import { wallLimit } from '../support/time.js';

const pool = usePool({ core: { retentionMs: 7 * 86_400_000, workerGraceMs: 300 } });

/** Each test has a kind of its own, so that no worker of another test is given its tasks. */
let kinds = 0;
const newKind = () => `life.k${++kinds}`;

interface Scene {
  readonly kind: string;
  readonly client: Peer;
  readonly worker: PoolWorker;
  submit(options?: Partial<TaskSpec>): TaskSpec;
}

async function scene(slots = 1, subprotocol = SUBPROTOCOLS[0] as (typeof SUBPROTOCOLS)[number]): Promise<Scene> {
  const kind = newKind();
  const client = await pool.client(undefined, { subprotocol });
  const worker = await pool.worker({ kinds: [kind], slots }, undefined, { subprotocol });
  return {
    kind,
    client,
    worker,
    submit(options = {}) {
      const task = echoTask({ n: 1 }, { kind, ...options });
      client.send({ type: 'submit', tasks: [task], watch: true });
      return task;
    },
  };
}

const chunk = (task: string, attempt: number, n: number, text: string) => ({
  task,
  attempt,
  chunk: n,
  data: packPayload(text),
});
const textOf = ({ data }: { data: Uint8Array }) => unpackPayload(data);
const detailOf = async (peer: Peer, task: string) =>
  (await peer.ask({ type: 'query', query: { what: 'task', task } })) as TaskDetail;

describe.each(SUBPROTOCOLS)('over %s', (subprotocol) => {
  it('a task is accepted, dispatched, streams its output, and ends once', async () => {
    const { client, worker, submit, kind } = await scene(1, subprotocol);
    const input = { text: 'bytes and more', bytes: new Uint8Array([0, 255, 128]) };
    const { id } = submit({ input: packPayload(input), timeoutMs: 9_000 });
    expect(await client.waitFor('accepted')).toEqual({ type: 'accepted', tasks: [id] });
    const [dispatch] = (await worker.peer.waitFor('dispatch')).tasks;
    expect(dispatch).toMatchObject({ task: id, attempt: 1, kind, timeoutMs: 9_000 });
    expect(unpackPayload(dispatch?.input ?? new Uint8Array())).toEqual({ ...input, bytes: Buffer.from(input.bytes) });
    expect((await client.waitFor('changed')).tasks).toEqual([
      { task: id, state: 'running', attempt: 1, worker: worker.id },
    ]);

    worker.peer.send({ type: 'chunks', chunks: [chunk(id, 1, 1, 'one'), chunk(id, 1, 2, 'two')] });
    expect((await worker.peer.waitFor('acknowledged')).chunks).toEqual([{ task: id, attempt: 1, chunk: 2 }]);
    expect((await client.waitFor('chunks')).chunks.map(textOf)).toEqual(['one', 'two']);
    worker.peer.send({ type: 'progress', task: id, attempt: 1, fraction: 0.5, note: 'half' });
    expect((await client.waitFor('changed')).tasks).toMatchObject([{ task: id, fraction: 0.5, note: 'half' }]);

    const result = { task: id, attempt: 1, output: packPayload({ done: true }), runMs: 12 };
    worker.peer.send({ type: 'results', results: [result] });
    expect((await worker.peer.waitFor('acknowledged')).results).toEqual([{ task: id, attempt: 1 }]);
    const [end] = (await client.waitFor('ended')).tasks;
    expect(end).toMatchObject({ task: id, state: 'succeeded', attempts: 1, worker: worker.id });
    expect(unpackPayload(end?.output ?? new Uint8Array())).toEqual({ done: true });
    expect(end?.submittedAt).toBeLessThanOrEqual(end?.startedAt ?? 0);
    expect(end?.startedAt).toBeLessThanOrEqual(end?.endedAt ?? 0);

    // The same result again is acknowledged and changes nothing.
    worker.peer.send({ type: 'results', results: [{ ...result, output: packPayload('other') }] });
    await worker.peer.waitFor('acknowledged');
    expect(await detailOf(client, id)).toMatchObject({
      state: 'succeeded',
      attempt: 1,
      attempts: [{ worker: worker.id }],
    });
    expect(client.inbox).toEqual([]);
  });

  it('who watches late gets the chunks that were missed, then what is live, then the end', async () => {
    const { client, worker, submit } = await scene(1, subprotocol);
    const { id } = submit();
    await worker.peer.waitFor('dispatch');
    worker.peer.send({ type: 'chunks', chunks: ['a', 'b', 'c'].map((text, i) => chunk(id, 1, i + 1, text)) });
    await worker.peer.waitFor('acknowledged');
    const late = await pool.client(undefined, { subprotocol });
    late.send({ type: 'watch', tasks: [{ task: id, after: { attempt: 1, chunk: 1 } }] });
    expect((await late.waitFor('changed')).tasks).toMatchObject([{ task: id, state: 'running', attempt: 1 }]);
    expect((await late.waitFor('chunks')).chunks.map(textOf)).toEqual(['b', 'c']);
    worker.peer.send({ type: 'chunks', chunks: [chunk(id, 1, 4, 'd')] });
    expect((await late.waitFor('chunks')).chunks.map(({ chunk: n }) => n)).toEqual([4]);
    worker.peer.send({ type: 'results', results: [{ task: id, attempt: 1, output: packPayload(null) }] });
    expect((await late.waitFor('ended')).tasks).toMatchObject([{ task: id, state: 'succeeded' }]);
    await client.waitFor('ended');

    // After the end: everything from the first chunk, then the end, and no watch is left.
    const after = await pool.client(undefined, { subprotocol });
    after.send({ type: 'watch', tasks: [{ task: id }] });
    expect((await after.waitFor('chunks')).chunks.map(textOf)).toEqual(['a', 'b', 'c', 'd']);
    expect((await after.waitFor('ended')).tasks).toMatchObject([{ task: id, state: 'succeeded' }]);
    expect(pool.coordinator.counts().watchers).toBe(0);
  });
});

describe('watching', () => {
  it('a task submitted twice is answered with its end at once', async () => {
    const { client, worker, submit } = await scene();
    const task = submit();
    await worker.peer.waitFor('dispatch');
    worker.peer.send({ type: 'results', results: [{ task: task.id, attempt: 1, output: packPayload(7) }] });
    await client.waitFor('ended');
    const again = await pool.client();
    again.send({ type: 'submit', tasks: [task], watch: true });
    await again.waitFor('accepted');
    expect((await again.waitFor('ended')).tasks).toMatchObject([{ task: task.id, state: 'succeeded' }]);
  });

  it('ends with unwatch', async () => {
    const { client, worker, submit } = await scene();
    const { id } = submit();
    await worker.peer.waitFor('dispatch');
    client.send({ type: 'unwatch', tasks: [id] });
    await eventually(() => expect(pool.coordinator.counts().watchers).toBe(0));
    worker.peer.send({ type: 'results', results: [{ task: id, attempt: 1, output: packPayload(1) }] });
    await worker.peer.waitFor('acknowledged');
    expect(await detailOf(client, id)).toMatchObject({ state: 'succeeded' });
    expect(client.inbox.filter(({ type }) => type === 'ended')).toEqual([]);
  });

  it('starts over with the next attempt: its chunks begin at 1 and those before are gone', async () => {
    const { client, worker, submit } = await scene();
    const { id } = submit({ backoffMs: 0 });
    await worker.peer.waitFor('dispatch');
    worker.peer.send({ type: 'chunks', chunks: [chunk(id, 1, 1, 'void')] });
    worker.peer.send({
      type: 'results',
      results: [{ task: id, attempt: 1, error: { code: 'input.odd', message: 'try again', retryable: true } }],
    });
    expect((await worker.peer.waitFor('dispatch')).tasks).toMatchObject([{ task: id, attempt: 2 }]);
    worker.peer.send({ type: 'chunks', chunks: [chunk(id, 2, 1, 'good')] });
    await client.waitFor('chunks', ({ chunks }) => chunks.some(({ attempt }) => attempt === 2));
    const late = await pool.client();
    late.send({ type: 'watch', tasks: [{ task: id, after: { attempt: 1, chunk: 1 } }] });
    const { chunks } = await late.waitFor('chunks');
    expect(chunks.map((one) => [one.attempt, one.chunk, textOf(one)])).toEqual([[2, 1, 'good']]);
    worker.peer.send({ type: 'results', results: [{ task: id, attempt: 2, output: packPayload(null) }] });
    expect((await late.waitFor('ended')).tasks).toMatchObject([{ attempts: 2, state: 'succeeded' }]);
  });
});

describe('cancelling', () => {
  it('a running task reaches its worker within a second, and its slot comes back when the worker confirms', async () => {
    const { client, worker, submit } = await scene(1);
    const { id } = submit();
    await worker.peer.waitFor('dispatch');
    const next = submit();
    await client.waitFor('accepted', ({ tasks }) => tasks.includes(next.id));
    const startedAt = performance.now();
    const reply = client.ask({ type: 'cancel', task: id });
    expect((await worker.peer.waitFor('stop')).attempts).toEqual([{ task: id, attempt: 1, reason: 'cancelled' }]);
    expect(performance.now() - startedAt).toBeLessThan(wallLimit(1_000));
    expect(await reply).toEqual({ state: 'cancelled' });
    expect((await client.waitFor('ended')).tasks).toMatchObject([
      { task: id, state: 'cancelled', error: { code: 'cancelled' } },
    ]);

    // The slot is taken until the worker says that the handler is gone.
    expect((await detailOf(client, next.id)).waiting).toMatch(/it is full/);
    expect(worker.peer.inbox.filter(({ type }) => type === 'dispatch')).toEqual([]);
    worker.peer.send({
      type: 'results',
      results: [{ task: id, attempt: 1, error: { code: 'cancelled', message: 'stopped', retryable: false } }],
    });
    expect((await worker.peer.waitFor('dispatch')).tasks).toMatchObject([{ task: next.id, attempt: 1 }]);
    worker.peer.send({ type: 'results', results: [{ task: next.id, attempt: 1, output: packPayload(1) }] });
    await client.waitFor('ended');
  });

  it('a task that ended is a conflict that says how it ended; a queued one is gone at once', async () => {
    const client = await pool.client();
    const task = echoTask(1, { constraints: { labels: { nowhere: 'yes' } } });
    client.send({ type: 'submit', tasks: [task], watch: true });
    await client.waitFor('accepted');
    expect(await client.ask({ type: 'cancel', task: task.id })).toEqual({ state: 'cancelled' });
    await expect(client.ask({ type: 'cancel', task: task.id })).rejects.toThrow(/^conflict: .*cancelled already/);
    await expect(client.ask({ type: 'cancel', task: newTaskId() })).rejects.toThrow(/^not_found/);
  });
});

describe('cancelling many tasks', () => {
  it('takes one frame and one reply, for as many as maxItems', async () => {
    const client = await pool.client();
    const tasks = Array.from({ length: LIMITS.maxItems }, () =>
      echoTask(1, { constraints: { labels: { nowhere: 'yes' } } }),
    );
    client.send({ type: 'submit', tasks });
    await client.waitFor('accepted');
    const ids = tasks.map(({ id }) => id);
    expect(await client.ask({ type: 'cancels', tasks: ids })).toEqual({ cancelled: ids, failed: [] });
    expect(await client.ask({ type: 'cancels', tasks: ids })).toEqual({ cancelled: ids, failed: [] });
    expect(await detailOf(client, ids.at(-1)!)).toMatchObject({ state: 'cancelled' });
  });

  it('is refused for none at all, and for more than maxItems', async () => {
    const client = await pool.client();
    await expect(client.ask({ type: 'cancels', tasks: [] })).rejects.toThrow(/^invalid/);
    const tooMany = Array.from({ length: LIMITS.maxItems + 1 }, newTaskId);
    await expect(client.ask({ type: 'cancels', tasks: tooMany })).rejects.toThrow(/^invalid/);
  });
});

describe('an attempt', () => {
  it('that fails waits, runs again, and fails the task after maxAttempts', async () => {
    const { client, worker, submit } = await scene();
    const { id } = submit({ maxAttempts: 2, backoffMs: 10 });
    for (const attempt of [1, 2]) {
      expect((await worker.peer.waitFor('dispatch')).tasks).toMatchObject([{ task: id, attempt }]);
      const error = { code: 'input.damaged', message: `attempt ${attempt}`, retryable: true };
      worker.peer.send({ type: 'results', results: [{ task: id, attempt, error }] });
    }
    expect((await client.waitFor('ended')).tasks).toMatchObject([
      { state: 'failed', attempts: 2, error: { code: 'input.damaged', message: 'attempt 2' } },
    ]);
    expect((await detailOf(client, id)).attempts).toMatchObject([
      { attempt: 1, error: { message: 'attempt 1' } },
      { attempt: 2, error: { message: 'attempt 2' } },
    ]);
  });

  it('whose worker went is given to another after its grace, and the late result of the first changes nothing', async () => {
    const { kind, client, worker, submit } = await scene();
    const { id } = submit();
    await worker.peer.waitFor('dispatch');
    const second = await pool.worker({ kinds: [kind] });
    await worker.peer.kill();
    expect((await second.peer.waitFor('dispatch')).tasks).toMatchObject([{ task: id, attempt: 2 }]);
    const back = await pool.worker({ kinds: [kind], finished: [{ task: id, attempt: 1 }] }, worker.credential);
    back.peer.send({ type: 'results', results: [{ task: id, attempt: 1, output: packPayload('late') }] });
    await back.peer.waitFor('acknowledged');
    second.peer.send({ type: 'results', results: [{ task: id, attempt: 2, output: packPayload('second') }] });
    const [end] = (await client.waitFor('ended')).tasks;
    expect(end).toMatchObject({ state: 'succeeded', attempts: 2, worker: second.id });
    expect(unpackPayload(end?.output ?? new Uint8Array())).toBe('second');
  });

  it('goes on over a broken connection: keep what runs, resend what is finished, stop and drop the rest', async () => {
    const { kind, client, worker, submit } = await scene(4);
    const instance = 'instance-1';
    await worker.peer.close();
    const first = await pool.worker({ kinds: [kind], slots: 4, instance }, worker.credential);
    const [runs, finished, cancelled] = [submit(), submit(), submit()];
    await first.peer.until(
      () => (first.peer.inbox.flatMap((m) => (m.type === 'dispatch' ? m.tasks : [])).length === 3 ? true : undefined),
      'three dispatches',
    );
    first.peer.send({ type: 'chunks', chunks: [chunk(runs.id, 1, 1, 'kept')] });
    await first.peer.waitFor('acknowledged');
    await client.ask({ type: 'cancel', task: cancelled.id });
    await first.peer.kill();
    const unknown = newTaskId();
    const peer = await pool.dial();
    const welcome = await peer.hello({
      token: worker.credential,
      worker: workerHello({
        kinds: [kind],
        slots: 4,
        instance,
        running: [runs.id, cancelled.id].map((task) => ({ task, attempt: 1 })),
        finished: [finished.id, unknown].map((task) => ({ task, attempt: 1 })),
      }),
    });
    expect(welcome.worker?.verdicts).toEqual([
      { task: runs.id, attempt: 1, verdict: 'keep', chunk: 1 },
      { task: cancelled.id, attempt: 1, verdict: 'stop' },
      { task: finished.id, attempt: 1, verdict: 'resend', chunk: 0 },
      { task: unknown, attempt: 1, verdict: 'drop' },
    ]);
    peer.send({
      type: 'results',
      results: [runs.id, finished.id].map((task) => ({ task, attempt: 1, output: packPayload(task) })),
    });
    const ended = new Set<string>();
    while (ended.size < 3) for (const { task } of (await client.waitFor('ended')).tasks) ended.add(task);
    expect(await detailOf(client, runs.id)).toMatchObject({ state: 'succeeded', attempt: 1 });
  });

  it('that outlives its ttl in the queue expires', async () => {
    const client = await pool.client();
    const task = echoTask(1, { ttlMs: 50, constraints: { labels: { nowhere: 'yes' } } });
    client.send({ type: 'submit', tasks: [task], watch: true });
    expect((await client.waitFor('ended')).tasks).toMatchObject([
      { state: 'expired', error: { code: 'expired' }, attempts: 0 },
    ]);
  });

  it('without an output, or with one that is too large, fails with a code that says so', async () => {
    const { client, worker, submit } = await scene();
    const without = submit();
    await worker.peer.waitFor('dispatch');
    worker.peer.send({ type: 'results', results: [{ task: without.id, attempt: 1 }] });
    expect((await client.waitFor('ended')).tasks).toMatchObject([
      { state: 'failed', error: { code: 'output.missing' } },
    ]);
    const large = submit();
    await worker.peer.waitFor('dispatch');
    worker.peer.send({
      type: 'results',
      results: [{ task: large.id, attempt: 1, output: packPayload('x'.repeat(70_000)) }],
    });
    expect((await client.waitFor('ended')).tasks).toMatchObject([
      { state: 'failed', error: { code: 'output.too_large' } },
    ]);
    const missing = submit({ maxAttempts: 1 });
    await worker.peer.waitFor('dispatch');
    const blob = 'cd'.repeat(32);
    const output = packPayload({ $blob: blob, size: 5, as: 'bytes' });
    worker.peer.send({ type: 'results', results: [{ task: missing.id, attempt: 1, output, blobs: [blob] }] });
    expect((await client.waitFor('ended')).tasks).toMatchObject([
      { state: 'failed', error: { code: 'output.blob_missing' } },
    ]);
  });

  it('sends its chunks in order; a gap is named, what came before may come again', async () => {
    const { client, worker, submit } = await scene();
    const { id } = submit();
    await worker.peer.waitFor('dispatch');
    worker.peer.send({ type: 'chunks', chunks: [chunk(id, 1, 2, 'too early')] });
    expect(await worker.peer.waitFor('error')).toMatchObject({ about: 'chunks', error: { kind: 'invalid' } });
    worker.peer.send({ type: 'chunks', chunks: [chunk(id, 1, 1, 'a'), chunk(id, 1, 1, 'a'), chunk(id, 1, 2, 'b')] });
    expect((await client.waitFor('chunks')).chunks.map(textOf)).toEqual(['a', 'b']);
    worker.peer.send({ type: 'results', results: [{ task: id, attempt: 1, output: packPayload(null) }] });
    await client.waitFor('ended');
  });
});

describe('why a task waits', () => {
  it('is explained by its cause: no worker, one that left, labels, a full worker, a time', async () => {
    const { kind, client, worker, submit } = await scene(1);
    const waitingOf = async (task: TaskSpec) => (await detailOf(client, task.id)).waiting;
    const running = submit();
    await worker.peer.waitFor('dispatch');
    const cases: [Partial<TaskSpec>, RegExp][] = [
      [{}, /^of \d+ workers? online, 1 serves .*it is full: position 1/],
      [{ constraints: { labels: { gpu: 'yes' } } }, /1 lacks the label gpu=yes: waits for one that fits$/],
      [{ constraints: { trust: 'trusted' } }, /1 is not trusted/],
      [{ constraints: { tier: 1 } }, /1 is not of tier 1/],
      [{ notBefore: Date.now() + 60_000 }, /^scheduled: begins in (59|60) s$/],
      [{ kind: 'ocr.read' }, /^none of \d+ workers? online serves ocr.read/],
    ];
    const tasks: TaskSpec[] = [];
    for (const [options, text] of cases) {
      const task = submit(options);
      tasks.push(task);
      await client.waitFor('accepted', ({ tasks: ids }) => ids.includes(task.id));
      expect(await waitingOf(task)).toMatch(text);
    }
    await worker.peer.close();
    const left = tasks[0] as TaskSpec;
    await eventually(async () =>
      expect(await waitingOf(left)).toMatch(new RegExp(`serves ${kind}; .* did, and is (away|offline) since`)),
    );
    for (const { id } of [...tasks, running]) await client.ask({ type: 'cancel', task: id });
  });
});
