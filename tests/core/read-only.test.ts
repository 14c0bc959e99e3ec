/** Read-only mode: reads are answered, nothing is acknowledged, and no attempt is given up. */
import { endReadOnly, isDeferrable } from '@rma/server/core/read-only';
import { beforeEach, describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { bytes, Client, WorkerPeer } from './peer.js';

describe('in read-only mode', () => {
  let pool: Pool;
  let alice: Client;
  let admin: Client;
  let worker: WorkerPeer;
  let running: string;
  let queued: string;
  let join: string;

  beforeEach(() => {
    pool = new Pool();
    alice = new Client(pool);
    admin = new Client(pool, 'admin', 'admin');
    worker = new WorkerPeer(pool);
    [running, queued] = alice.submit({}, {}) as [string, string];
    join = pool.addToken({ role: 'join', usesLeft: 1 }).id;
    pool.rebuildReadOnly();
  });

  /** Any commit at all would throw. */
  function refuseCommits(): void {
    pool.memory.failNext = new Error('a step that only reads wrote something');
  }

  it('clients and admins get in, long after their token was used last', () => {
    pool.advance(120_000);
    refuseCommits();
    for (const client of [alice, admin]) {
      client.connect();
      expect(client.read().welcome).toMatchObject({ role: client.role });
    }
  });

  it('a worker is asked to reconnect later, and its hello changes nothing', () => {
    refuseCommits();
    const { welcome, close, errors } = worker.connect({ running: [{ task: running, attempt: 1 }] });
    expect(welcome).toBeUndefined();
    expect(close).toMatchObject({ name: 'restart', reconnectAfterMs: expect.any(Number) });
    expect(errors).toMatchObject([{ about: 'hello', error: { kind: 'storage_full' } }]);
    expect(worker.join(join).close).toMatchObject({ name: 'restart' });
    expect(pool.state.tokens.get(join)?.usesLeft).toBe(1);
    expect(pool.state.workers.size).toBe(1);
  });

  it('a new task is refused, a known one is accepted, and its state is sent', () => {
    refuseCommits();
    alice.connect();
    alice.submit();
    expect(alice.read().refused).toMatchObject([{ error: { kind: 'storage_full' } }]);
    alice.send({ type: 'submit', tasks: [alice.spec({ id: running })] });
    expect(alice.read().accepted).toEqual([running]);
    expect(alice.watch(running).changed).toMatchObject([{ task: running, state: 'running', attempt: 1 }]);
    expect(alice.watch(queued).changed).toMatchObject([{ task: queued, state: 'queued' }]);
  });

  it('a cancel and an act are refused, and change nothing', () => {
    refuseCommits();
    alice.connect();
    admin.connect();
    expect(alice.cancel(queued).errors).toMatchObject([{ about: 'cancel', error: { kind: 'storage_full' } }]);
    expect(alice.cancels(queued).errors).toMatchObject([{ about: 'cancels', error: { kind: 'storage_full' } }]);
    const { errors, replies } = admin.act({ do: 'worker.revoke', worker: worker.id });
    expect(errors).toMatchObject([{ about: 'act', error: { kind: 'storage_full' } }]);
    expect(replies).toEqual([]);
    expect(alice.watch(queued).changed).toMatchObject([{ state: 'queued' }]);
  });

  it('a session still ends with its token', () => {
    const carol = new Client(pool, 'carol', 'client', pool.wallMs + 60_000);
    refuseCommits();
    pool.advance(60_000);
    expect(carol.read().close).toMatchObject({ name: 'revoked' });
  });

  it('only inputs that no peer waits for are deferrable', () => {
    expect(isDeferrable({ type: 'signed', in: true, token: 't', address: '' })).toBe(true);
    expect(isDeferrable({ type: 'catalog.refused', source: 'c', message: 'm' })).toBe(true);
    expect(isDeferrable({ type: 'catalog', entries: [], source: 'c', changed: true })).toBe(true);
    expect(isDeferrable({ type: 'catalog', entries: [], source: 'c', changed: false })).toBe(false);
    expect(isDeferrable({ type: 'closed', session: 1, reason: 'gone' })).toBe(false);
    expect(isDeferrable({ type: 'tick' })).toBe(false);
  });

  it('hours cost no attempt: its worker has a start’s grace from when it may come back', () => {
    alice.connect();
    alice.send({ type: 'watch', tasks: [{ task: running }, { task: queued }] });
    pool.advance(3_600_000 * 5);
    endReadOnly(pool.state, pool.nowMs);
    pool.advance(2_000);
    alice.read();
    const { welcome } = worker.connect({ finished: [{ task: running, attempt: 1 }] });
    expect(welcome?.worker?.verdicts).toMatchObject([{ task: running, verdict: 'resend' }]);
    worker.send({ type: 'results', results: [{ task: running, attempt: 1, output: bytes('done') }] });
    // Who watched while nothing could be written still does.
    expect(alice.read().ended).toMatchObject([{ task: running, state: 'succeeded', attempts: 1 }]);
    expect(worker.read().dispatches).toMatchObject([{ task: queued, attempt: 1 }]);
  });
});
