/** Tokens: whom they admit, for how long, how often, and until when. */
import type { Action } from '@rma/protocol/up';
import { DEFAULT_JOIN_LIFE_MS, DEFAULT_JOIN_USES } from '@rma/server/core/enrolment';
import { describe, expect, it } from 'vitest';
import { Pool, type Sent } from './harness.js';
import { Client, WorkerPeer } from './peer.js';

/** Says hello as a client with a token; answers what came of it. */
function greet(pool: Pool, id: string): Sent {
  const session = pool.nextId();
  const message = { type: 'hello', protocol: 1, agent: { name: 'test', version: '0' } } as const;
  pool.push({ type: 'hello', session, address: '::1', token: { id, role: 'client' }, message });
  pool.settle();
  return pool.read(session);
}

describe('a token', () => {
  it('that this coordinator does not know is refused', () => {
    const pool = new Pool();
    expect(greet(pool, 't-none').close).toMatchObject({ name: 'unauthenticated' });
    expect(pool.state.sessions.size).toBe(0);
  });

  it('that has expired is refused, and one that expires closes its session', () => {
    const pool = new Pool();
    const alice = new Client(pool, 'alice', 'client', pool.wallMs + 60_000);
    pool.advance(59_000);
    expect(alice.read().close).toBeUndefined();
    pool.advance(1_000);
    expect(alice.read().close).toMatchObject({ name: 'revoked', message: expect.stringMatching('expired') });
    expect(pool.state.sessions.size).toBe(0);
    expect(greet(pool, alice.token).close).toMatchObject({ name: 'unauthenticated' });
  });

  it('that is revoked closes every session of it, and lets nobody in, after a restart neither', () => {
    const pool = new Pool();
    const admin = new Client(pool, 'admin', 'admin');
    const alice = new Client(pool);
    const bob = new Client(pool, 'bob');
    const first = alice.session;
    alice.connect();
    const { replies } = admin.act({ do: 'token.revoke', token: alice.token });
    expect(replies).toMatchObject([{ result: { id: alice.token, revokedAt: pool.wallMs } }]);
    for (const session of [first, alice.session]) expect(pool.read(session).close).toMatchObject({ name: 'revoked' });
    expect(bob.read().close).toBeUndefined();
    expect(greet(pool, alice.token).close).toMatchObject({ name: 'revoked' });
    pool.restart();
    expect(greet(pool, alice.token).close).toMatchObject({ name: 'revoked' });
  });

  it('may be revoked twice; an unknown one is an error', () => {
    const pool = new Pool();
    const admin = new Client(pool, 'admin', 'admin');
    const alice = new Client(pool);
    admin.act({ do: 'token.revoke', token: alice.token });
    expect(admin.act({ do: 'token.revoke', token: alice.token }).replies).toHaveLength(1);
    expect(admin.act({ do: 'token.revoke', token: 't-none' }).errors).toMatchObject([{ error: { kind: 'not_found' } }]);
    expect(pool.memory.tables.events.filter(({ type }) => type === 'token.revoked')).toHaveLength(1);
  });

  it('records when it was used last, to the minute', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const usedAt = () => pool.memory.tables.tokens.get(alice.token)?.lastUsedAt;
    expect(usedAt()).toBe(pool.wallMs);
    pool.advance(61_000);
    alice.connect();
    expect(usedAt()).toBe(pool.wallMs);
  });
});

describe('a join token', () => {
  const join = (token: string, worker: WorkerPeer) => ({ sent: worker.join(token), id: worker.id });

  it('makes one worker of one key, however often it is used with it', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    const { id } = worker;
    const token = worker.live.record.joinToken;
    expect(pool.state.tokens.get(token)?.usesLeft).toBe(0);
    const again = join(token, worker);
    expect(again.id).toBe(id);
    expect(again.sent.welcome?.worker?.credential).toBeDefined();
    expect(pool.state.workers.size).toBe(1);
    expect(pool.memory.tables.events.filter(({ type }) => type === 'worker.joined')).toHaveLength(1);
    pool.restart();
    expect(join(token, worker).id).toBe(id);
  });

  it('that is used up admits no other key', () => {
    const pool = new Pool();
    const token = pool.addToken({ role: 'join', usesLeft: 2 }).id;
    const workers = Array.from({ length: 3 }, () => new WorkerPeer(pool));
    const sent = workers.map((worker) => worker.join(token));
    expect(sent.map(({ welcome }) => welcome !== undefined)).toEqual([true, true, false]);
    expect(sent[2]?.close).toMatchObject({ name: 'unauthenticated', message: expect.stringMatching('used up') });
    expect(pool.memory.tables.tokens.get(token)?.usesLeft).toBe(0);
  });

  it('gives its owner and trust to the worker', () => {
    const pool = new Pool();
    const token = pool.addToken({ role: 'join', owner: 'carol', trust: 'trusted' }).id;
    const worker = new WorkerPeer(pool);
    worker.join(token);
    expect(worker.live.record).toMatchObject({ owner: 'carol', trust: 'trusted' });
  });

  it('without a worker in its hello may watch who joins, which consumes no use', () => {
    const pool = new Pool();
    const token = pool.addToken({ role: 'join', usesLeft: 1 });
    expect(greet(pool, token.id).welcome).toMatchObject({ role: 'join' });
    expect(token.usesLeft).toBe(1);
  });

  it('whose revocation leaves the workers that joined with it', () => {
    const pool = new Pool();
    const admin = new Client(pool, 'admin', 'admin');
    const worker = new WorkerPeer(pool);
    admin.act({ do: 'token.revoke', token: worker.live.record.joinToken });
    expect(worker.read().close).toBeUndefined();
    expect(worker.connect().welcome).toBeDefined();
  });
});

describe('making a token', () => {
  function make(action: Partial<Extract<Action, { do: 'token.create' }>>) {
    const pool = new Pool();
    const admin = new Client(pool, 'admin', 'admin');
    return { pool, ...admin.act({ do: 'token.create', role: 'client', name: 'new', ...action }) };
  }

  it('answers the signed token and how it is kept', () => {
    const { pool, replies } = make({ expiresInSeconds: 60 });
    const result = replies[0]?.result as { token: string; view: { id: string } };
    expect(result.token).toMatch(/^signed-/);
    expect(result.view).toMatchObject({ role: 'client', name: 'new', subject: 'new', expiresAt: pool.wallMs + 60_000 });
    expect(pool.memory.tables.tokens.has(result.view.id)).toBe(true);
    expect(greet(pool, result.view.id).welcome).toMatchObject({ subject: 'new' });
  });

  it('of a client cannot take the name under which the admins own', () => {
    const { pool, errors } = make({ name: 'admin' });
    expect(errors).toMatchObject([
      { error: { kind: 'invalid', message: expect.stringContaining("'admin' is taken") } },
    ]);
    expect(pool.memory.tables.tokens.size).toBe(1);
  });

  it('for a trusted worker is for one use', () => {
    expect(make({ role: 'join', trust: 'trusted' }).replies).toMatchObject([{ result: { view: { usesLeft: 1 } } }]);
    expect(make({ role: 'join', trust: 'trusted', uses: 2 }).errors).toMatchObject([{ error: { kind: 'invalid' } }]);
  });

  it('for workers of the community may have any number of uses', () => {
    expect(make({ role: 'join', uses: 3 }).replies).toMatchObject([{ result: { view: { usesLeft: 3 } } }]);
  });

  it('for workers of the community has an end, and a number of uses, where its maker gave it none', () => {
    const { pool, replies } = make({ role: 'join' });
    expect(replies).toMatchObject([
      { result: { view: { usesLeft: DEFAULT_JOIN_USES, expiresAt: pool.wallMs + DEFAULT_JOIN_LIFE_MS } } },
    ]);
  });

  it.each([{ uses: 1 }, { owner: 'carol' }, { trust: 'community' as const }])('for a client takes no %o', (extra) => {
    expect(make(extra).errors).toMatchObject([{ error: { kind: 'invalid' } }]);
  });
});
