/** What an admin does and sees: pin, drain, tokens, workers, figures. */
import { packPayload } from '@rma/protocol/payload';
import type { StatsView, TokenView, WorkerView } from '@rma/protocol/view';
import { describe, expect, it } from 'vitest';
import { echoTask, type Peer, workerHello } from '../support/peer.js';
import { eventually, usePool } from '../support/pool.js';

const pool = usePool();

const workersOf = async (peer: Peer) => (await peer.ask({ type: 'query', query: { what: 'workers' } })) as WorkerView[];
const viewOf = async (peer: Peer, id: string) => (await workersOf(peer)).find((worker) => worker.id === id);
const statsOf = async (peer: Peer) => (await peer.ask({ type: 'query', query: { what: 'stats' } })) as StatsView;

describe('a worker', () => {
  it('is seen with tier, reasons, services and load; owner, address, hardware and agent version only by an admin', async () => {
    const { peer, id } = await pool.worker({ name: 'the-lab-pc', labels: { rack: '4' }, kinds: ['adm.see'], slots: 3 });
    peer.send({ type: 'sample', load: { cpu: 0.25, memoryUsedMiB: 2_000, temperatureC: 51, gpus: [] } });
    const admin = await pool.admin();
    const client = await pool.client();
    const full = await eventually(async () => {
      const view = await viewOf(admin, id);
      expect(view?.load).toBeDefined();
      return view;
    });
    expect(full).toMatchObject({
      name: 'the-lab-pc',
      state: 'online',
      tier: 2,
      pinned: false,
      reasons: expect.arrayContaining(['tier 1: no NVIDIA GPU']),
      trust: 'community',
      labels: { rack: '4' },
      services: [{ name: 'embedded', state: 'healthy', kinds: ['adm.see'], slots: 3 }],
      running: 0,
      load: { cpu: 0.25, memoryUsedMiB: 2_000, temperatureC: 51 },
      owner: 'join',
      hardware: { cpu: { logicalCores: 4 } },
    });
    const { owner, address, hardware, agentVersion, ...rest } = full as WorkerView;
    expect(address).toMatch(/127\.0\.0\.1$/);
    expect(hardware).toBeDefined();
    expect(owner).toBeDefined();
    expect(agentVersion).toBe('test-peer 0');
    expect(await viewOf(client, id)).toEqual({ ...rest, lastSeenAt: expect.any(Number) });
  });

  it('is pinned to a tier at once, keeps it over a reconnect, and is freed again', async () => {
    const { peer, id, credential } = await pool.worker({ services: [] });
    const admin = await pool.admin();
    expect(await admin.ask({ type: 'act', action: { do: 'worker.pin', worker: id, tier: 1 } })).toMatchObject({
      id,
      tier: 1,
      pinned: true,
    });
    expect((await peer.waitFor('assign')).assignment).toMatchObject({
      tier: 1,
      pinned: true,
      reasons: expect.arrayContaining(['tier 1: pinned by an admin']),
    });
    await peer.close();
    const again = await pool.dial();
    const welcome = await again.hello({ token: credential, worker: workerHello({ services: [] }) });
    expect(welcome.worker?.assignment).toMatchObject({ tier: 1, pinned: true });
    await admin.ask({ type: 'act', action: { do: 'worker.pin', worker: id, tier: null } });
    expect((await again.waitFor('assign')).assignment).toMatchObject({ tier: 2, pinned: false });
  });

  it('that an admin drains finishes what runs, takes nothing new, and takes tasks again afterwards', async () => {
    const { peer, id } = await pool.worker({ kinds: ['adm.drain'], slots: 2 });
    const client = await pool.client();
    const admin = await pool.admin();
    const [first, second] = [echoTask(1, { kind: 'adm.drain' }), echoTask(2, { kind: 'adm.drain' })];
    client.send({ type: 'submit', tasks: [first], watch: true });
    await peer.waitFor('dispatch');
    const drain = (draining: boolean) =>
      admin.ask({ type: 'act', action: { do: 'worker.drain', worker: id, draining } });
    expect(await drain(true)).toMatchObject({ state: 'draining', running: 1 });
    client.send({ type: 'submit', tasks: [second], watch: true });
    await client.waitFor('accepted', ({ tasks }) => tasks.includes(second.id));
    const detail = await client.ask({ type: 'query', query: { what: 'task', task: second.id } });
    expect(detail).toMatchObject({ state: 'queued', waiting: expect.stringContaining('1 takes no new tasks') });
    peer.send({ type: 'results', results: [{ task: first.id, attempt: 1, output: packPayload(1) }] });
    expect((await client.waitFor('ended')).tasks).toMatchObject([{ task: first.id, state: 'succeeded' }]);
    expect(peer.inbox.filter(({ type }) => type === 'dispatch')).toEqual([]);
    expect(await drain(false)).toMatchObject({ state: 'online' });
    expect((await peer.waitFor('dispatch')).tasks).toMatchObject([{ task: second.id }]);
    peer.send({ type: 'results', results: [{ task: second.id, attempt: 1, output: packPayload(1) }] });
    await client.waitFor('ended');
  });

  it('that drains by itself hands an attempt back without a loss', async () => {
    const { peer } = await pool.worker({ kinds: ['adm.leave'] });
    const client = await pool.client();
    const task = echoTask(1, { kind: 'adm.leave' });
    client.send({ type: 'submit', tasks: [task], watch: true });
    await peer.waitFor('dispatch');
    peer.send(
      { type: 'drain', draining: true },
      {
        type: 'results',
        results: [{ task: task.id, attempt: 1, error: { code: 'cancelled', message: 'leaving', retryable: true } }],
      },
    );
    await client.waitFor('changed', ({ tasks }) => tasks.some(({ state }) => state === 'queued'));
    const { peer: other } = await pool.worker({ kinds: ['adm.leave'] });
    expect((await other.waitFor('dispatch')).tasks).toMatchObject([{ task: task.id, attempt: 2 }]);
    other.send({ type: 'results', results: [{ task: task.id, attempt: 2, output: packPayload(1) }] });
    expect((await client.waitFor('ended')).tasks).toMatchObject([{ state: 'succeeded', attempts: 2 }]);
  });

  it('that is not there is not found', async () => {
    const admin = await pool.admin();
    for (const action of [
      { do: 'worker.pin', worker: 'w-none', tier: 1 },
      { do: 'worker.drain', worker: 'w-none', draining: true },
      { do: 'worker.revoke', worker: 'w-none' },
      { do: 'token.revoke', token: 't-none' },
    ] as const) {
      await expect(admin.ask({ type: 'act', action })).rejects.toThrow(/^not_found: there is no .*-none/);
    }
  });
});

describe('tokens', () => {
  it('are made with what was asked for, listed, and say who they are for', async () => {
    const { token, view } = await pool.mint({
      role: 'join',
      name: 'school',
      uses: 5,
      owner: 'school',
      expiresInSeconds: 60,
    });
    expect(token.split('.')).toHaveLength(3);
    expect(view).toMatchObject({ role: 'join', name: 'school', owner: 'school', usesLeft: 5, trust: 'community' });
    expect(view.expiresAt).toBe(view.createdAt + 60_000);
    const admin = await pool.admin();
    const tokens = (await admin.ask({ type: 'query', query: { what: 'tokens' } })) as TokenView[];
    expect(tokens.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['admin', 'client', 'join', 'local', 'school']),
    );
    expect(tokens.filter(({ role }) => role === 'worker')).toEqual([]);
  });

  it.each(['uses', 'owner', 'trust'])('for clients have no %s', async (field) => {
    const admin = await pool.admin();
    const values = { uses: 3, owner: 'me', trust: 'trusted' };
    const action = { do: 'token.create', role: 'client', name: 'x', [field]: values[field as keyof typeof values] };
    await expect(
      admin.ask({ type: 'act', action: action as { do: 'token.create'; role: 'client'; name: string } }),
    ).rejects.toThrow(/^invalid: .*join tokens/);
  });
});

it('the figures count workers by tier and state, tasks by state and kind, sessions by role', async () => {
  const admin = await pool.admin();
  const before = await statsOf(admin);
  const client = await pool.client();
  await pool.worker({ kinds: ['adm.stats'], slots: 1 });
  const tasks = [1, 2, 3].map((n) => echoTask(n, { kind: 'adm.stats' }));
  client.send({ type: 'submit', tasks, watch: true });
  await client.waitFor('changed');
  const after = await statsOf(admin);
  expect(after.workers.online).toBe(before.workers.online + 1);
  expect(after.workers.total).toBe(before.workers.total + 1);
  expect(after.workers.byTier['2']).toBe((before.workers.byTier['2'] ?? 0) + 1);
  expect(after.tasks).toMatchObject({ queued: before.tasks.queued + 2, running: 1, queuedByKind: { 'adm.stats': 2 } });
  expect(after.sessions).toEqual({ admin: 1, client: 1, worker: 1 });
  expect(after).toMatchObject({
    version: '0.0.0-test',
    transport: pool.coordinator.transport,
    storage: { state: 'ok' },
  });
  expect(after.lastEvent).toBeGreaterThan(before.lastEvent);
  for (const { id } of tasks) await client.ask({ type: 'cancel', task: id });
  const end = await statsOf(admin);
  expect(end.tasks.byState.cancelled).toBe((before.tasks.byState.cancelled ?? 0) + 3);
  expect(end.tasks.queued).toBe(before.tasks.queued);
});
