/** Signing in with a browser: the cookie, what it opens, and how it ends. */
import { describe, expect, it } from 'vitest';
import { eventually, usePool } from '../support/pool.js';

const pool = usePool();
const origin = () => pool.coordinator.http;

function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${pool.coordinator.http}${path}`, {
    method,
    headers: { origin: origin(), 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function signedIn(token = pool.coordinator.token('admin')): Promise<string> {
  const answer = await call('POST', '/api/session', { token });
  expect(answer.status).toBe(200);
  return answer.headers.get('set-cookie')!.split(';')[0]!;
}

describe('signing in', () => {
  it('answers who it is, with a cookie that no script reads and no other site sends', async () => {
    const answer = await call('POST', '/api/session', { token: pool.coordinator.token('admin') });
    expect(await answer.json()).toMatchObject({
      role: 'admin',
      subject: 'admin',
      name: 'admin',
      token: expect.stringMatching(/^t-/),
    });
    const cookie = answer.headers.get('set-cookie');
    expect(cookie).toMatch(/^rma_session=\S+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict$/);
    expect(cookie).not.toContain(pool.coordinator.token('admin'));
  });

  it.each([
    ['a token of another pool', { token: 'nonsense' }, 401],
    ['an unknown code', { code: 'nonsense' }, 401],
    ['nothing', {}, 400],
    ['a list', [], 400],
  ])('refuses %s', async (_what, body, status) => {
    const answer = await call('POST', '/api/session', body);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  it('refuses a join token, and says where it belongs', async () => {
    const answer = await call('POST', '/api/session', { token: pool.coordinator.token('join') });
    expect(answer.status).toBe(403);
    expect(JSON.stringify(await answer.json())).toContain('/join');
  });

  it('refuses pages of other sites', async () => {
    const answer = await call('POST', '/api/session', { token: 'any' }, { origin: 'https://evil.example' });
    expect(answer.status).toBe(403);
  });

  it('by a link works once', async () => {
    const made = await call('POST', '/api/session/code', undefined, {
      authorization: `Bearer ${pool.coordinator.token('admin')}`,
    });
    const { code } = (await made.json()) as { code: string };
    expect((await call('POST', '/api/session', { code })).status).toBe(200);
    const second = await call('POST', '/api/session', { code });
    expect(second.status).toBe(401);
    expect(JSON.stringify(await second.json())).toContain('used already');
  });
});

describe('the cookie', () => {
  it('opens a socket without a token, under its own identity', async () => {
    const cookie = await signedIn();
    const peer = await pool.dial({ headers: { cookie, origin: origin() } });
    expect(await peer.hello({})).toMatchObject({ role: 'admin', subject: 'admin' });
    expect(await (await call('GET', '/api/session', undefined, { cookie })).json()).toMatchObject({ role: 'admin' });
  });

  it('does not make up for a page of another site', async () => {
    const cookie = await signedIn();
    await expect(pool.dial({ headers: { cookie, origin: 'https://evil.example' } })).rejects.toThrow('403');
  });

  it('writes nothing without an origin', async () => {
    const cookie = await signedIn();
    const answer = await fetch(`${pool.coordinator.http}/api/tasks`, {
      method: 'POST',
      headers: { cookie },
      body: JSON.stringify({ kind: 'echo' }),
    });
    expect(answer.status).toBe(403);
  });

  it('is no bearer token, and a token is no cookie', async () => {
    const value = (await signedIn()).split('=')[1]!;
    const bearer = await call('GET', '/api/admin/stats', undefined, { authorization: `Bearer ${value}` });
    expect(bearer.status).toBe(401);
    const cookie = `rma_session=${pool.coordinator.token('admin')}`;
    expect((await call('GET', '/api/session', undefined, { cookie })).status).toBe(401);
  });

  it('ends with its token, and the socket with it', async () => {
    const { token, view } = await pool.mint({ role: 'client', name: 'bob' });
    const cookie = await signedIn(token);
    const peer = await pool.dial({ headers: { cookie, origin: origin() } });
    await peer.hello({});
    const admin = await pool.admin();
    await admin.ask({ type: 'act', action: { do: 'token.revoke', token: view.id } });
    expect(await peer.closed).toMatchObject({ code: 4498 });
    const answer = await call('GET', '/api/session', undefined, { cookie });
    expect(answer.status).toBe(401);
    expect(JSON.stringify(await answer.json())).toContain('revoked');
  });

  it('is taken away by signing out, and both are in the audit log', async () => {
    const cookie = await signedIn();
    const answer = await call('DELETE', '/api/session', undefined, { cookie });
    expect(answer.status).toBe(204);
    expect(answer.headers.get('set-cookie')).toContain('Max-Age=0');
    expect((await call('GET', '/api/session')).status).toBe(401);
    const admin = await pool.admin();
    await eventually(async () => {
      const page = await admin.ask({ type: 'query', query: { what: 'audit', limit: 1 } });
      expect(page).toMatchObject({ entries: [{ action: 'session.closed', by: 'admin', address: '127.0.0.1' }] });
    });
  });
});

describe('what a join token is good for', () => {
  it('is returned to its holder, and uses nothing up', async () => {
    const { token } = await pool.mint({ role: 'join', name: 'for-ann', uses: 2, owner: 'ann' });
    for (let i = 0; i < 3; i++) {
      const answer = await call('POST', '/api/join-info', { token });
      expect(await answer.json()).toMatchObject({ pool: 'RMA Pool', valid: true, owner: 'ann', usesLeft: 2 });
    }
  });

  it('is refused for tokens of other roles', async () => {
    const answer = await call('POST', '/api/join-info', { token: pool.coordinator.token('client') });
    expect(answer.status).toBe(403);
  });
});

describe('behind a proxy that ends TLS', () => {
  const behind = usePool({ trustProxy: true });
  const signIn = (at: typeof pool, proto?: string) =>
    fetch(`${at.coordinator.http}/api/session`, {
      method: 'POST',
      headers: {
        origin: at.coordinator.http,
        'content-type': 'application/json',
        ...(proto === undefined ? {} : { 'x-forwarded-proto': proto }),
      },
      body: JSON.stringify({ token: at.coordinator.token('admin') }),
    });
  const cookieOf = async (answer: Promise<Response>) => (await answer).headers.get('set-cookie');

  it('the cookie goes over TLS alone', async () => {
    expect(await cookieOf(signIn(behind, 'https'))).toMatch(/; HttpOnly; SameSite=Strict; Secure$/);
    // Of several proxies the last one is ours; what a browser claims before it counts for nothing.
    expect(await cookieOf(signIn(behind, 'http, https'))).toContain('Secure');
    expect(await cookieOf(signIn(behind, 'https, http'))).not.toContain('Secure');
  });

  it('a browser that came without TLS gets a cookie that it will send', async () => {
    expect(await cookieOf(signIn(behind))).not.toContain('Secure');
    expect(await cookieOf(signIn(behind, 'http'))).not.toContain('Secure');
  });

  it('the forwarded protocol is ignored where no proxy is trusted', async () => {
    expect(await cookieOf(signIn(pool, 'https'))).not.toContain('Secure');
  });

  it('signing out takes it away over TLS, too', async () => {
    const cookie = (await cookieOf(signIn(behind, 'https')))!.split(';')[0]!;
    const answer = await fetch(`${behind.coordinator.http}/api/session`, {
      method: 'DELETE',
      headers: { origin: behind.coordinator.http, cookie, 'x-forwarded-proto': 'https' },
    });
    expect(answer.headers.get('set-cookie')).toMatch(/^rma_session=; .*Max-Age=0; .*Secure$/);
  });
});
