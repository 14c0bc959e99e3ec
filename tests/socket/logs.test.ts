/** The log of a worker's services: requested by an admin, sent by the worker, stored nowhere. */
import { connect } from '@rma/client';
import { describe, expect, it } from 'vitest';
import { usePool } from '../support/pool.js';

const pool = usePool();
const line = (text: string, at = '2026-11-22T10:00:00.000000001Z') => ({
  service: 'held',
  at,
  stream: 'stdout' as const,
  text,
});
const ask = (worker: string, more: object = {}) =>
  ({ type: 'query', query: { what: 'log', worker, ...more } }) as const;

describe("a worker's log", () => {
  it('is what the worker answers, by the number of the question', async () => {
    const { peer, id } = await pool.worker();
    const admin = await pool.admin();
    const first = admin.ask(ask(id, { lines: 7, since: 'then' }));
    const { ref, ...asked } = await peer.waitFor('logs');
    expect(asked).toEqual({ type: 'logs', lines: 7, since: 'then' });
    // Not asked for, and ignored.
    peer.send({ type: 'log.lines', ref: ref + 1, lines: [line('other')] });
    peer.send({ type: 'log.lines', ref, lines: [line('one'), line('two')] });
    expect(await first).toEqual([line('one'), line('two')]);
  });

  it('cannot be answered by another worker', async () => {
    const { peer, id } = await pool.worker();
    const { peer: stranger } = await pool.worker();
    const admin = await pool.admin();
    const asked = admin.ask(ask(id));
    const { ref } = await peer.waitFor('logs');
    stranger.send({ type: 'log.lines', ref, lines: [line('forged')] });
    peer.send({ type: 'log.lines', ref, lines: [line('true')] });
    expect(await asked).toEqual([line('true')]);
  });

  it('answers why there is none: no such worker or service, offline, disconnected meanwhile, too many requests', async () => {
    const admin = await pool.admin();
    await expect(admin.ask(ask('w-none'))).rejects.toThrow(/there is no worker w-none/);
    const { peer, id } = await pool.worker();
    await expect(admin.ask(ask(id, { service: 'typo' }))).rejects.toThrow(/has no service typo; it has: /);
    const asked = Array.from({ length: 9 }, () => admin.ask(ask(id)).catch(String));
    expect(await asked[8]).toMatch(/8 requests for the log of worker .* are pending already/);
    await peer.close();
    expect(await asked[0]).toMatch(/went offline/);
    await expect(admin.ask(ask(id))).rejects.toThrow(/is offline/);
  });

  it('is what the SDK gives', async () => {
    const { peer, id } = await pool.worker();
    const client = connect({ url: pool.coordinator.http, token: pool.coordinator.token('admin') });
    const asked = client.workerLog(id, { lines: 1 });
    const { ref } = await peer.waitFor('logs');
    peer.send({ type: 'log.lines', ref, lines: [], error: 'nothing runs in a container' });
    await expect(asked).rejects.toThrow('nothing runs in a container');
    await client.close();
  });
});
