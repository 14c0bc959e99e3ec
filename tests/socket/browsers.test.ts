/** Who may open a socket at all: origins of browser pages, paths, subprotocols, addresses behind a proxy. */

import type { WorkerView } from '@rma/protocol/view';
import { DEFAULT_SOCKET_SETTINGS } from '@rma/server/socket/connections';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Peer } from '../support/peer.js';
import { usePool } from '../support/pool.js';

const allowed = 'https://pool.example.org';

describe('without --allowed-origin', () => {
  const pool = usePool();

  it('no browser page gets a socket but those of the coordinator itself', async () => {
    await expect(pool.dial({ headers: { origin: pool.coordinator.http } })).resolves.toBeDefined();
    const other = pool.coordinator.http.replace(/:\d+$/, ':1');
    for (const origin of [allowed, other, `ws:${pool.coordinator.http.slice(5)}`, 'null', '']) {
      await expect(pool.dial({ headers: { origin } })).rejects.toThrow('403');
    }
  });

  it('no browser page gets to write over HTTP', async () => {
    const answer = await fetch(`${pool.coordinator.http}/api/tasks`, {
      method: 'POST',
      headers: { origin: allowed, authorization: `Bearer ${pool.coordinator.token('client')}` },
      body: JSON.stringify({ kind: 'echo' }),
    });
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({
      error: { kind: 'forbidden', message: expect.stringContaining('--allowed-origin') },
    });
  });

  it('refuses other paths and subprotocols that are not spoken, and takes one of several', async () => {
    const refusal = (url: string, protocols: string[]) =>
      new Promise<number>((resolve) => {
        const socket = new WebSocket(url, protocols);
        socket.on('unexpected-response', (_, response) => {
          resolve(response.statusCode ?? 0);
          response.destroy();
        });
        socket.on('error', () => resolve(0));
      });
    expect(await refusal(pool.url.replace('/ws', '/socket'), ['rma.v1.json'])).toBe(404);
    expect(await refusal(pool.url, ['graphql-ws', 'rma.v2.json'])).toBe(400);
    const socket = new WebSocket(pool.url, ['graphql-ws', 'rma.v1.json']);
    await new Promise((resolve) => socket.once('open', resolve));
    expect(socket.protocol).toBe('rma.v1.json');
    await new Promise((resolve) => {
      socket.once('close', resolve);
      socket.close();
    });
  });

  it('does not believe what a peer says of its address', async () => {
    await pool.worker({ services: [] }, undefined, { headers: { 'x-forwarded-for': '198.51.100.7' } });
    const admin = await pool.admin();
    const [worker] = (await admin.ask({ type: 'query', query: { what: 'workers' } })) as WorkerView[];
    expect(worker?.address).toMatch(/127\.0\.0\.1$/);
  });
});

describe('with --allowed-origin', () => {
  const pool = usePool({ socket: { ...DEFAULT_SOCKET_SETTINGS, allowedOrigins: [allowed] } });

  it('pages of that origin connect and write, of any other do not', async () => {
    const peer = await pool.client(undefined, { headers: { origin: allowed } });
    expect(await peer.ask({ type: 'query', query: { what: 'workers' } })).toEqual([]);
    for (const origin of [`${allowed}.evil.example`, 'http://pool.example.org', `${allowed}:8443`]) {
      await expect(pool.dial({ headers: { origin } })).rejects.toThrow('403');
    }
    const post = (origin: string) =>
      fetch(`${pool.coordinator.http}/api/tasks`, {
        method: 'POST',
        headers: { origin, authorization: `Bearer ${pool.coordinator.token('client')}` },
        body: JSON.stringify({ kind: 'echo' }),
      });
    expect((await post(allowed)).status).toBe(202);
    expect((await post('https://evil.example')).status).toBe(403);
  });
});

describe('with --trust-proxy', () => {
  const pool = usePool({ trustProxy: true });

  it("takes a peer's address from the last entry of X-Forwarded-For", async () => {
    const headers = { 'x-forwarded-for': '203.0.113.1, 198.51.100.7' };
    await pool.worker({ services: [] }, undefined, { headers });
    const admin = await pool.admin();
    const [worker] = (await admin.ask({ type: 'query', query: { what: 'workers' } })) as WorkerView[];
    expect(worker?.address).toBe('198.51.100.7');
  });
});

describe('connections that never say hello', () => {
  const settings = { ...DEFAULT_SOCKET_SETTINGS, helloTimeoutMs: 700 };
  const pool = usePool({ socket: settings, trustProxy: true });

  it('are closed after their time', async () => {
    const silent = await Promise.all([1, 2, 3].map(() => pool.dial()));
    for (const peer of silent) {
      expect(await peer.waitFor('goodbye')).toMatchObject({
        reason: 'hello_timeout',
        message: 'no hello within 700 ms',
      });
      expect(await peer.closed).toEqual({ code: 4408, reason: 'hello_timeout' });
    }
  });
});

describe('connections that linger without a hello', () => {
  const settings = { ...DEFAULT_SOCKET_SETTINGS, helloTimeoutMs: 60_000, maxGreetingsPerAddress: 3 };
  const pool = usePool({ socket: settings, trustProxy: true });

  it('make room, the oldest of their address; who says hello at once is never turned away', async () => {
    const from = (address: string): Promise<Peer> =>
      pool.dial({ heartbeats: false, headers: { 'x-forwarded-for': address } });
    const silent: Peer[] = [];
    for (let i = 0; i < 5; i++) silent.push(await from('192.0.2.1'));
    const neighbour = await from('192.0.2.2');
    const prompt = await from('192.0.2.1');
    await prompt.hello({ token: pool.coordinator.token('client') });
    for (const peer of silent.slice(0, 2)) {
      expect(await peer.waitFor('goodbye')).toMatchObject({
        reason: 'overloaded',
        message: expect.stringContaining('maxGreetingsPerAddress'),
      });
    }
    for (const peer of [...silent.slice(2), neighbour, await from('192.0.2.1')]) {
      await peer.hello({ token: pool.coordinator.token('client') });
    }
    expect(await prompt.ask({ type: 'query', query: { what: 'kinds' } })).toEqual(expect.any(Array));
  });
});
