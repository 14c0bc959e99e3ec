/** How machines join: uses of a token, a lost reply, credentials that outlive everything, revocation, replacement. */
import { CLOSE } from '@rma/protocol/error';
import type { TokenView, WorkerView } from '@rma/protocol/view';
import { describe, expect, it } from 'vitest';
import { echoTask, Peer, workerHello } from '../support/peer.js';
import { Pool, usePool } from '../support/pool.js';

const pool = usePool();

const usesLeft = async (id: string): Promise<number | undefined> => {
  const admin = await pool.admin();
  const tokens = (await admin.ask({ type: 'query', query: { what: 'tokens' } })) as TokenView[];
  return tokens.find((token) => token.id === id)?.usesLeft;
};

describe('a join token', () => {
  it('admits as many machines as it has uses', async () => {
    const { token, view } = await pool.mint({ role: 'join', name: 'two', uses: 2 });
    const first = await pool.worker({ name: 'first' }, token);
    const second = await pool.worker({}, token);
    expect(first.id).not.toBe(second.id);
    expect(await usesLeft(view.id)).toBe(0);
    const third = await pool.dial();
    third.send({ type: 'hello', protocol: 1, agent: { name: 'test', version: '0' }, token, worker: workerHello() });
    expect((await third.waitFor('error')).error).toMatchObject({
      kind: 'unauthenticated',
      message: expect.stringContaining('used up'),
    });
    expect(await third.closed).toEqual({ code: CLOSE.unauthenticated.code, reason: 'unauthenticated' });
  });

  it('is used once by a machine whose first reply was lost', async () => {
    const { token, view } = await pool.mint({ role: 'join', name: 'one', uses: 1 });
    const hello = workerHello({ services: [] });
    const lost = await Peer.worker(pool.url, token, hello);
    await lost.peer.kill();
    const again = await pool.worker(hello, token);
    expect(again.id).toBe(lost.id);
    expect(again.credential).not.toBe(lost.credential);
    expect(await usesLeft(view.id)).toBe(0);
    await again.peer.close();
    // Both were issued to this machine; whichever it kept is good, and the other is over once that is used.
    for (let use = 0; use < 2; use++) {
      const { peer, id } = await pool.worker(hello, lost.credential);
      expect(id).toBe(lost.id);
      await peer.close();
    }
    await expect(pool.worker(hello, again.credential)).rejects.toThrow(/4401/);
  });

  it('for trusted machines is for one of them', async () => {
    const admin = await pool.admin();
    const create = { do: 'token.create', role: 'join', name: 'lab', trust: 'trusted' } as const;
    await expect(admin.ask({ type: 'act', action: { ...create, uses: 2 } })).rejects.toThrow(
      /^invalid: .*one use only/,
    );
    const { token, view } = await pool.mint({ role: 'join', name: 'lab', trust: 'trusted', owner: 'the-lab' });
    expect(view).toMatchObject({ usesLeft: 1, trust: 'trusted', owner: 'the-lab' });
    const { id } = await pool.worker({ services: [] }, token);
    const workers = (await admin.ask({ type: 'query', query: { what: 'workers' } })) as WorkerView[];
    expect(workers.find((worker) => worker.id === id)).toMatchObject({ trust: 'trusted', owner: 'the-lab' });
    await expect(pool.worker({}, token)).rejects.toThrow('used up');
  });

  it('of the first start admits strangers as community, the local one as trusted', async () => {
    const stranger = await pool.worker({ services: [] });
    const local = await pool.worker({ services: [] }, pool.coordinator.token('local'));
    const admin = await pool.admin();
    const workers = (await admin.ask({ type: 'query', query: { what: 'workers' } })) as WorkerView[];
    const trustOf = (id: string) => workers.find((worker) => worker.id === id)?.trust;
    expect([trustOf(stranger.id), trustOf(local.id)]).toEqual(['community', 'trusted']);
  });

  it('that is revoked or expired admits no machine, and leaves those that joined', async () => {
    const { token, view } = await pool.mint({ role: 'join', name: 'closed' });
    const joined = await pool.worker({ services: [] }, token);
    const admin = await pool.admin();
    await admin.ask({ type: 'act', action: { do: 'token.revoke', token: view.id } });
    await expect(pool.worker({}, token)).rejects.toThrow('revoked');
    await joined.peer.close();
    expect((await pool.worker({ services: [] }, joined.credential)).id).toBe(joined.id);
  });
});

describe('a credential', () => {
  it('gives the same worker id after a restart of either side', async () => {
    const own = new Pool();
    await own.start();
    try {
      const key = 'k'.repeat(20);
      const first = await own.worker({ key, name: 'the-machine' });
      await own.settle();
      await own.restart();
      const again = await own.worker({ key, instance: 'another-start' }, first.credential);
      expect(again.id).toBe(first.id);
      await own.settle();
      // A lost credential and the old join token: still the same machine.
      await own.restart();
      expect((await own.worker({ key })).id).toBe(first.id);
      const admin = await own.admin();
      expect(await admin.ask({ type: 'query', query: { what: 'workers' } })).toHaveLength(1);
      await own.settle();
    } finally {
      await own.dispose();
    }
  });

  it('shows the agent version of the last hello, while the worker is offline and after a restart, too', async () => {
    const own = new Pool();
    await own.start();
    try {
      const connect = async (token: string, version: string) => {
        const peer = await own.dial();
        return peer.hello({ token, agent: { name: 'rma-worker', version }, worker: workerHello({ services: [] }) });
      };
      const shown = async () => {
        const admin = await own.admin();
        const [view] = (await admin.ask({ type: 'query', query: { what: 'workers' } })) as WorkerView[];
        return { state: view?.state, agentVersion: view?.agentVersion };
      };
      const { worker } = await connect(own.coordinator.token('join'), '0.1.0');
      expect(await shown()).toEqual({ state: 'online', agentVersion: 'rma-worker 0.1.0' });
      await connect(worker!.credential!, '0.2.0');
      expect(await shown()).toEqual({ state: 'online', agentVersion: 'rma-worker 0.2.0' });
      await own.settle();
      expect(await shown()).toEqual({ state: 'offline', agentVersion: 'rma-worker 0.2.0' });
      await own.settle();
      await own.restart();
      expect(await shown()).toEqual({ state: 'offline', agentVersion: 'rma-worker 0.2.0' });
      await own.settle();
    } finally {
      await own.dispose();
    }
  });

  it('of a worker that is revoked closes its socket, is refused, and cannot be had anew with the join token', async () => {
    const hello = workerHello();
    const { peer, id, credential } = await pool.worker(hello);
    const client = await pool.client();
    const task = echoTask('held');
    client.send({ type: 'submit', tasks: [task], watch: true });
    await peer.waitFor('dispatch');
    const admin = await pool.admin();
    expect(await admin.ask({ type: 'act', action: { do: 'worker.revoke', worker: id } })).toMatchObject({
      state: 'revoked',
    });
    expect(await peer.waitFor('goodbye')).toMatchObject({ reason: 'revoked' });
    expect(await peer.closed).toEqual({ code: CLOSE.revoked.code, reason: 'revoked' });
    await client.waitFor('changed', ({ tasks }) =>
      tasks.some((change) => change.state === 'queued' && change.attempt === 1),
    );
    for (const token of [credential, pool.coordinator.token('join')]) {
      const back = await pool.dial();
      back.send({ type: 'hello', protocol: 1, agent: { name: 'test', version: '0' }, token, worker: hello });
      expect((await back.waitFor('error')).error.kind).toBe('unauthenticated');
      expect(await back.closed).toEqual({ code: CLOSE.revoked.code, reason: 'revoked' });
    }
    await expect(admin.ask({ type: 'act', action: { do: 'worker.pin', worker: id, tier: 1 } })).rejects.toThrow(
      'conflict',
    );
    await client.ask({ type: 'cancel', task: task.id });
  });

  it('used twice at once: the newer connection stays, the older gets a goodbye with the reason replaced', async () => {
    const hello = workerHello({ services: [] });
    const older = await pool.worker(hello);
    const newer = await pool.worker(hello, older.credential);
    expect(newer.id).toBe(older.id);
    expect(await older.peer.waitFor('goodbye')).toMatchObject({ reason: 'replaced' });
    expect(await older.peer.closed).toEqual({ code: CLOSE.replaced.code, reason: 'replaced' });
    const admin = await pool.admin();
    const workers = (await admin.ask({ type: 'query', query: { what: 'workers' } })) as WorkerView[];
    expect(workers.find((worker) => worker.id === newer.id)).toMatchObject({ state: 'online' });
  });
});
