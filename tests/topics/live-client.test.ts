/** Live values of the SDK against a real coordinator: right at once, right after a change, right after a restart. */
import { type Client, connect, type Live, ProtocolError } from '@rma/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startTestCoordinator, type TestCoordinator } from '../support/coordinator.js';
import { freePort } from '../support/free-port.mjs';
import { workerHello } from '../support/peer.js';
import { eventually, usePool } from '../support/pool.js';
import { wallLimit } from '../support/time.js';

const pool = usePool();
let admin: Client;
let client: Client;
const leaves: (() => void)[] = [];

beforeEach(() => {
  admin = connect({ url: pool.coordinator.http, token: pool.coordinator.token('admin') });
  client = connect({ url: pool.coordinator.http, token: pool.coordinator.token('client') });
});

afterEach(async () => {
  for (const leave of leaves.splice(0)) leave();
  await admin.close();
  await client.close();
});

function look<T>(live: Live<T>): Live<T> {
  leaves.push(live.subscribe(() => undefined));
  return live;
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 20 });

describe('the overview', () => {
  it('follows tasks, workers and notices as they come and go', async () => {
    const overview = look(admin.liveOverview());
    await until(() => expect(overview.status).toBe('live'));
    expect(overview.value?.server.version).toBe('0.0.0-test');
    const task = client.submit('echo', { hello: 'pool' });
    await task.accepted;
    await until(() => {
      const { now, history } = overview.value!;
      expect(now.tasks.queued).toBe(1);
      expect(now.kinds).toContainEqual(expect.objectContaining({ kind: 'echo', queued: 1, workers: 0 }));
      expect(now.facts).toContainEqual(expect.objectContaining({ fact: 'kind.unserved', subject: 'echo' }));
      expect(history.submitted.reduce((a, b) => a + b, 0)).toBeGreaterThan(0);
    });
    await task.cancel();
    await until(() => expect(overview.value!.now.tasks.queued).toBe(0));
    await until(() =>
      expect(overview.value!.now.facts).not.toContainEqual(expect.objectContaining({ subject: 'echo' })),
    );
    expect(overview.value!.history.cancelled.reduce((a, b) => a + b, 0)).toBeGreaterThan(0);
  });

  it('can be read in a loop', async () => {
    for await (const { now } of admin.liveOverview()) {
      expect(now.at).toBeGreaterThan(0);
      break;
    }
  });
});

describe('the kinds', () => {
  it('are there at once and follow tasks and workers, for a client as for an admin', async () => {
    const views = [look(admin.liveKinds()), look(client.liveKinds())];
    const now = () => views.map(({ value }) => value?.kinds.find(({ kind }) => kind === 'own.live'));
    await until(() => expect(views.map(({ status }) => status)).toEqual(['live', 'live']));
    expect(now()).toEqual([undefined, undefined]);
    const { peer } = await pool.worker({ kinds: ['own.live'], slots: 1 });
    await until(() => expect(now()[0]).toEqual({ kind: 'own.live', queued: 0, running: 0, workers: 1 }));
    const tasks = [client.submit('own.live', 1), client.submit('own.live', 2)];
    const busy = { kind: 'own.live', queued: 1, running: 1, workers: 1 };
    await until(() => expect(now()).toEqual([busy, busy]));
    expect(await client.kinds()).toEqual(views[1]!.value!.kinds);
    await Promise.all(tasks.map((task) => task.cancel()));
    peer.close();
    const idle = { kind: 'own.live', queued: 0, running: 0, workers: 0 };
    await until(() => expect(now()).toEqual([idle, idle]));
  });
});

describe('what happened of late', () => {
  it('is there at once and goes on, each event once, by type', async () => {
    const { id } = await pool.worker();
    const all = look(admin.liveRecent());
    const ofWorkers = look(admin.liveRecent({ types: ['worker.'] }));
    await until(() => expect([all.status, ofWorkers.status]).toEqual(['live', 'live']));
    await until(() => expect(all.value!.events.map(({ event }) => event.subject)).toContain(id));
    const task = client.submit('echo', {});
    await task.accepted;
    await until(() => expect(all.value!.events.map(({ event }) => event.subject)).toContain(task.id));
    const seqs = all.value!.events.map(({ event }) => event.seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => b - a));
    expect(ofWorkers.value!.events.every(({ event }) => event.type.startsWith('worker.'))).toBe(true);
    await task.cancel();
  });

  it('shows only an admin who did what', async () => {
    const audit = look(admin.liveRecent({ audit: true }));
    const refused = look(client.liveRecent({ audit: true }));
    await until(() => expect(refused.error?.message).toContain('for admins'));
    const { id } = await pool.worker();
    await admin.pinWorker(id, 2);
    await until(() => expect(audit.value?.events[0]?.event).toMatchObject({ type: 'worker.pinned', subject: id }));
    expect(audit.value!.events.every(({ event }) => event.data?.by !== undefined)).toBe(true);
  });
});

describe('workers', () => {
  it('appear within a second, change, and go, for an admin with all that a client does not see', async () => {
    const all = look(admin.liveWorkers());
    const open = look(client.liveWorkers());
    await until(() => expect([all.status, open.status]).toEqual(['live', 'live']));
    const begun = performance.now();
    const { id, peer } = await pool.worker({ name: '<img onerror>' });
    await until(() => expect(all.value!.rows.get(id)).toMatchObject({ state: 'online', name: '<img onerror>' }));
    expect(performance.now() - begun).toBeLessThan(wallLimit(1_000));
    expect(all.value!.rows.get(id)?.owner).toBeDefined();
    await until(() => expect(open.value!.rows.get(id)).toBeDefined());
    expect(Object.keys(open.value!.rows.get(id)!)).not.toContain('owner');
    expect(Object.keys(open.value!.rows.get(id)!)).not.toContain('address');
    peer.send({ type: 'sample', load: { cpu: 0.42, memoryUsedMiB: 100, gpus: [] } });
    await until(() => expect(all.value!.loads.get(id)?.cpu).toBe(42));
    expect(all.value!.changed).toContain(id);
    peer.close();
    await until(() => expect(all.value!.rows.get(id)?.state).toBe('offline'));
    expect(all.value!.loads.has(id)).toBe(false);
  });

  it('have ten minutes of samples, their tasks and their timeline', async () => {
    const { id, peer } = await pool.worker();
    const live = look(admin.liveWorker(id));
    await until(() => expect(live.value?.view.id).toBe(id));
    expect(live.value!.sessions.map(({ event }) => event)).toContain('worker.online');
    for (const cpu of [0.1, 0.2]) {
      peer.send({
        type: 'sample',
        load: { cpu, memoryUsedMiB: 100, gpus: [{ index: 0, load: 0.5, temperatureC: 60 }] },
      });
      await until(() => expect(live.value!.samples.cpu).toContain(cpu));
    }
    expect(live.value!.samples.gpus[0]?.load).toEqual([0.5, 0.5]);
    expect(live.value!.samples.at).toHaveLength(2);
    const task = client.submit('echo', 1);
    const { tasks } = await peer.waitFor('dispatch');
    await until(() => expect(live.value!.running).toMatchObject([{ task: task.id, kind: 'echo' }]));
    peer.send({
      type: 'results',
      results: [{ task: task.id, attempt: tasks[0]!.attempt, output: new Uint8Array([1]) }],
    });
    await until(() => expect(live.value!.recent).toMatchObject([{ task: task.id, outcome: 'succeeded' }]));
    expect(live.value!.running).toEqual([]);
    peer.close();
    await until(() => expect(live.value!.sessions[0]?.event).toBe('worker.offline'));
  });

  it('that do not exist fail with a reason, and can be asked for again', async () => {
    const live = look(admin.liveWorker('w-nobody'));
    await until(() => expect(live.status).toBe('failed'));
    expect(live.error).toBeInstanceOf(ProtocolError);
    expect((live.error as ProtocolError).kind).toBe('not_found');
  });
});

describe('tasks', () => {
  it('are listed by a filter, live', async () => {
    const queued = look(client.liveTasks({ states: ['queued'], kind: 'echo', limit: 3 }));
    await until(() => expect(queued.status).toBe('live'));
    const tasks = client.submitMany(Array.from({ length: 5 }, () => ({ kind: 'echo' })));
    await Promise.all(tasks.map((task) => task.accepted));
    const newest = tasks.slice(-3).map(({ id }) => id);
    await until(() => expect(queued.value!.tasks.map(({ id }) => id).sort()).toEqual([...newest].sort()));
    const { cancelled, failed } = await client.cancelMany([...tasks.map(({ id }) => id), tasks[0]!.id]);
    expect(cancelled.sort()).toEqual(tasks.map(({ id }) => id).sort());
    expect(failed).toEqual([]);
    await until(() => expect(queued.value!.tasks).toEqual([]));
  });

  it('of others are not to be had by a client', async () => {
    const live = look(client.liveTasks({ owner: 'admin' }));
    await until(() => expect((live.error as ProtocolError | undefined)?.kind).toBe('forbidden'));
  });
});

describe('joining', () => {
  it('is watched with the join token alone, which is not used up by that', async () => {
    const { token, view } = await admin.createToken({ role: 'join', name: 'for-ann', uses: 1 });
    const donor = connect({ url: pool.coordinator.http, token, joining: true });
    try {
      const live = look(donor.liveJoin());
      await until(() => expect(live.value?.info).toMatchObject({ valid: true, usesLeft: 1, owner: 'for-ann' }));
      const forAdmin = look(admin.liveJoin(view.id));
      const { id } = await pool.worker({}, token);
      await until(() => expect(live.value!.workers).toMatchObject([{ id, state: 'online' }]));
      await until(() => expect(live.value!.info).toMatchObject({ valid: false, usesLeft: 0 }));
      await until(() => expect(forAdmin.value!.workers).toMatchObject([{ id }]));
      await expect(donor.stats()).rejects.toMatchObject({ kind: 'forbidden' });
    } finally {
      for (const leave of leaves.splice(0)) leave();
      await donor.close();
    }
  });
});

describe('what an admin does', () => {
  it('is in the audit log with who and from where, and a new name holds against the agent', async () => {
    const { id, peer, credential } = await pool.worker({ name: 'before', kinds: ['echo'] });
    await admin.renameWorker(id, 'after');
    await admin.labelWorker(id, { room: '7' });
    await admin.drainWorker(id, true, { requeue: true });
    await admin.drainWorker(id, false);
    peer.close();
    await pool.worker(workerHello({ name: 'before' }), credential);
    await until(async () =>
      expect((await admin.workers()).find((one) => one.id === id)).toMatchObject({
        name: 'after',
        labels: { room: '7' },
      }),
    );
    const { entries } = await admin.audit({ limit: 50 });
    expect(entries.filter(({ subject }) => subject === id).map(({ action }) => action)).toEqual([
      'worker.resumed',
      'worker.draining',
      'worker.labelled',
      'worker.renamed',
    ]);
    expect(entries[0]).toMatchObject({ by: 'admin', address: '127.0.0.1', token: expect.stringMatching(/^t-/) });
    await expect(client.audit()).rejects.toMatchObject({ kind: 'forbidden' });
    const past = await admin.history({ types: ['worker.'], subject: id });
    expect(past.events.map(({ type }) => type)).toContain('worker.joined');
    const seen = await client.history({ subject: id });
    for (const { data } of seen.events) expect(Object.keys(data ?? {})).not.toContain('address');
  });

  it('submits a failed task again as a new one of its owner', async () => {
    const task = client.submit('echo', { again: true });
    await task.accepted;
    await expect(admin.retryTask(task.id)).rejects.toMatchObject({ kind: 'conflict' });
    await admin.cancel(task.id);
    const id = await admin.retryTask(task.id);
    expect(await client.task(id)).toMatchObject({ owner: 'client', state: 'queued', kind: 'echo' });
    expect(await client.taskInput(id)).toMatchObject({ kind: 'echo', input: { again: true } });
    expect((await admin.audit({ limit: 2 })).entries.map(({ action }) => action)).toEqual([
      'task.retried',
      'task.cancelled',
    ]);
    await client.cancel(id);
  });
});

it('is right again by itself after the coordinator was restarted', async () => {
  const first = await startTestCoordinator({ port: await freePort() });
  const { port, data } = first;
  const other = connect({ url: first.http, token: first.token('admin') });
  let second: TestCoordinator | undefined;
  try {
    const live = look(other.liveOverview());
    const kinds = look(other.liveKinds());
    const statuses = () => [live.status, kinds.status];
    await until(() => expect(statuses()).toEqual(['live', 'live']));
    const before = kinds.value;
    await first.stop();
    await until(() => expect(statuses()).toEqual(['stale', 'stale']));
    second = await eventually(() => startTestCoordinator({ port, data }));
    await until(() => expect(statuses()).toEqual(['live', 'live']));
    expect(kinds.value).toEqual(before);
    await other.submit('echo').accepted;
    await until(() => expect(live.value!.now.tasks.queued).toBe(1));
  } finally {
    for (const leave of leaves.splice(0)) leave();
    await other.close();
    await (second ?? first).dispose();
  }
});
