/** The dashboard's files: compressed, cached, under a strict policy, and nothing beside them. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestCoordinator, type TestCoordinator } from '../support/coordinator.js';

const SCRIPT = 'document.title = "RMA Pool";';
const INDEX = `<!doctype html><title>x</title><script>${SCRIPT}</script><script type="module" src="/_app/immutable/a.js"></script>`;
const CODE = 'export const answer = 42;\n'.repeat(100);
let directory: string;
let coordinator: TestCoordinator;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'rma-dashboard-'));
  const build = join(directory, 'build');
  mkdirSync(join(build, '_app/immutable'), { recursive: true });
  writeFileSync(join(build, 'index.html'), INDEX);
  writeFileSync(join(build, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  writeFileSync(join(build, '_app/immutable/a.js'), CODE);
  writeFileSync(join(build, '_app/immutable/a.js.br'), brotliCompressSync(CODE));
  writeFileSync(join(build, '_app/immutable/a.js.gz'), gzipSync(CODE));
  writeFileSync(join(directory, 'secret.txt'), 'secret');
  coordinator = await startTestCoordinator({ dashboard: build });
});

afterAll(async () => {
  await coordinator.dispose();
  rmSync(directory, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(`${coordinator.http}${path}`, { headers, method });

/** As it stands, without what `fetch` makes of a path. */
function raw(path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request({ port: coordinator.port, host: '127.0.0.1', path }, (answer) => {
      let body = '';
      answer.on('data', (part) => {
        body += part;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
    })
      .on('error', reject)
      .end();
  });
}

describe('a page', () => {
  it.each(['/', '/workers/w-abcd', '/tasks?kind=ocr.read', '/join', '/a%20b'])('%s is the app', async (path) => {
    const answer = await get(path);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe(INDEX);
    expect(answer.headers.get('cache-control')).toBe('no-cache');
  });

  it('admits its own inline script by hash, and no other', async () => {
    const policy = (await get('/')).headers.get('content-security-policy') ?? '';
    const hash = createHash('sha256').update(SCRIPT).digest('base64');
    expect(policy).toContain(`script-src 'self' 'sha256-${hash}'`);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    // The one style attribute, of the element that tells screen readers of a new page, is admitted by its hash.
    expect(policy).not.toMatch(/unsafe-(inline|eval)/);
    expect(policy.match(/unsafe/g)).toEqual(['unsafe']);
  });

  it('that the browser has is not sent again', async () => {
    const etag = (await get('/')).headers.get('etag')!;
    const again = await get('/', { 'if-none-match': etag });
    expect(again.status).toBe(304);
    expect(await again.text()).toBe('');
  });
});

describe('a file', () => {
  it.each([
    ['br', 'br, gzip'],
    ['gzip', 'gzip'],
    [null, 'identity'],
  ])('comes as %s to who accepts %s', async (encoding, accepted) => {
    const answer = await get('/_app/immutable/a.js', { 'accept-encoding': accepted });
    expect(answer.headers.get('content-encoding')).toBe(encoding);
    expect(await answer.text()).toBe(CODE);
    expect(answer.headers.get('content-type')).toContain('text/javascript');
    expect(answer.headers.get('cache-control')).toContain('immutable');
    expect(answer.headers.get('vary')).toBe('accept-encoding');
  });

  it('answers HEAD without a body', async () => {
    const answer = await get('/favicon.svg', {}, 'HEAD');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('image/svg+xml');
    expect(await answer.text()).toBe('');
  });

  it.each(['/_app/immutable/gone.js', '/gone.css', '/api/gone', '/%ff'])(
    '%s that is not there is 404',
    async (path) => {
      expect((await raw(path)).status).toBe(404);
    },
  );

  it.each(['/../secret.txt', '/%2e%2e/secret.txt', '/..%2fsecret.txt', '/_app/../../secret.txt', '//secret.txt'])(
    '%s leads to nothing outside',
    async (path) => {
      expect((await raw(path)).body).not.toBe('secret');
    },
  );
});

it('health and tokens are as they were', async () => {
  expect(await (await get('/health')).json()).toMatchObject({ status: 'ok' });
  expect(coordinator.signInCode()).toMatch(/^[\w-]{32}$/);
});
