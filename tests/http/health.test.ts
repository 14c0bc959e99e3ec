/** The HTTP routes without a token, those for admins, and the answers for paths that do not exist. */
import { request } from 'node:http';
import type { StatsView, WorkerView } from '@rma/protocol/view';
import { describe, expect, it } from 'vitest';
import { usePool } from '../support/pool.js';

// Where the dashboard is not built, as the status page is for.
const pool = usePool({ dashboard: '/there-is-none' });

const call = (path: string, init: RequestInit & { token?: string } = {}) => {
  const { token, ...rest } = init;
  return fetch(`${pool.coordinator.http}${path}`, {
    ...rest,
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...rest.headers },
  });
};

describe('GET /health', () => {
  it('needs no token and has state, version, transport, workers, tasks and uptime', async () => {
    const answer = await call('/health');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.json()).toEqual({
      status: 'ok',
      version: '0.0.0-test',
      transport: pool.coordinator.transport,
      workers: { online: 0, total: 0 },
      tasks: { queued: 0, running: 0 },
      storage: 'ok',
      uptimeSeconds: expect.any(Number),
    });
  });

  it('counts the workers that are online', async () => {
    const { peer } = await pool.worker({ services: [] });
    expect(await (await call('/health')).json()).toMatchObject({ workers: { online: 1, total: 1 } });
    await peer.close();
    await pool.settle();
    expect(await (await call('/health')).json()).toMatchObject({ workers: { online: 0, total: 1 } });
  });
});

describe.each(['/api/admin/stats', '/api/admin/workers'])('GET %s', (path) => {
  it('takes an admin token; says 401 without one or with a wrong one, 403 to any other role', async () => {
    expect((await call(path, { token: pool.coordinator.token('admin') })).status).toBe(200);
    for (const token of [undefined, 'nonsense', `${pool.coordinator.token('admin')}x`]) {
      const answer = await call(path, token === undefined ? {} : { token });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      expect(await answer.json()).toMatchObject({ error: { kind: 'unauthenticated', message: expect.any(String) } });
    }
    for (const role of ['client', 'join'] as const) {
      const answer = await call(path, { token: pool.coordinator.token(role) });
      expect(answer.status).toBe(403);
      expect(await answer.json()).toMatchObject({
        error: { kind: 'forbidden', message: expect.stringContaining('admin') },
      });
    }
    expect((await call(`${path}?token=${pool.coordinator.token('admin')}`)).status).toBe(401);
  });
});

it('a token that was revoked or has expired is refused over HTTP, too', async () => {
  const { token, view } = await pool.mint({ role: 'admin', name: 'second-admin' });
  expect((await call('/api/admin/stats', { token })).status).toBe(200);
  const admin = await pool.admin();
  await admin.ask({ type: 'act', action: { do: 'token.revoke', token: view.id } });
  expect((await call('/api/admin/stats', { token })).status).toBe(401);
});

it('the admin sees figures and workers as over the socket', async () => {
  const { id } = await pool.worker({ name: 'seen', kinds: ['http.seen'] });
  const token = pool.coordinator.token('admin');
  const stats = (await (await call('/api/admin/stats', { token })).json()) as StatsView;
  expect(stats).toMatchObject({
    workers: { online: 1, byTier: { '2': 1 }, byState: { online: 1 } },
    sessions: { worker: 1 },
  });
  const { workers } = (await (await call('/api/admin/workers', { token })).json()) as { workers: WorkerView[] };
  expect(workers.find((worker) => worker.id === id)).toMatchObject({ name: 'seen', state: 'online', tier: 2 });
});

describe('agents of the first generation', () => {
  it.each([
    ['POST', '/api/worker/register'],
    ['POST', '/api/worker/heartbeat'],
    ['GET', '/api/worker/status/7'],
  ])('get the new command: %s %s', async (method, path) => {
    const answer = await call(path, { method });
    expect(answer.status).toBe(410);
    expect(await answer.json()).toMatchObject({
      error: { message: expect.stringMatching(/rma-worker --url URL --token-file/) },
    });
  });
});

describe('where there is nothing', () => {
  it.each(['/nothing', '/api', '/api/tasks/', '/api/admin', '/../etc/passwd', '/health/', '//'])(
    'GET %s is 404',
    async (path) => {
      // fetch would tidy the path up.
      const status = await new Promise<number | undefined>((resolve, reject) => {
        request({ port: pool.coordinator.port, path }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on('error', reject)
          .end();
      });
      expect(status).toBe(404);
    },
  );

  it.each([
    ['POST', '/health'],
    ['DELETE', '/api/tasks'],
    ['GET', '/api/tasks'],
    ['PUT', '/'],
  ])('%s %s is 405', async (method, path) => {
    const answer = await call(path, { method });
    expect(answer.status).toBe(405);
    expect(await answer.json()).toMatchObject({
      error: { kind: 'invalid', message: `${method} is not possible here` },
    });
  });

  it('HEAD answers as GET does, without a body', async () => {
    const answer = await call('/health', { method: 'HEAD' });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe('');
    expect((await call('/nothing', { method: 'HEAD' })).status).toBe(404);
  });
});

describe('the status page', () => {
  it('shows figures and first commands, may run no script, and holds no secret', async () => {
    const answer = await call('/');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = answer.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const page = await answer.text();
    expect(page).toContain('Workers online');
    expect(page).toContain('/agent.tgz --url');
    expect(page).not.toContain('<script');
    for (const name of ['admin', 'client', 'join', 'local'] as const) {
      expect(page).not.toContain(pool.coordinator.token(name));
    }
    expect(page).not.toContain(pool.coordinator.data);
  });
});
