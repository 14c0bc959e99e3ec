/** `/agent.tgz`: the agent that matches the coordinator, for npx, and the unit that runs it as a service. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { usePool } from '../support/pool.js';
import { ROOT } from '../support/program.js';

// Without the dashboard, so that the status page is served.
const pool = usePool({ publicUrl: 'https://pool.example.org', dashboard: '/there-is-none' });
const call = (path: string, init?: RequestInit) => fetch(`${pool.coordinator.http}${path}`, init);

let directory: string | undefined;
afterEach(() => {
  if (directory) rmSync(directory, { recursive: true });
  directory = undefined;
});

describe('GET /agent.tgz', () => {
  it('needs no token, may not go stale in a cache, and names the address of exactly this agent', async () => {
    const answer = await call('/agent.tgz');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/gzip');
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    const path = answer.headers.get('content-location') ?? '';
    expect(path).toMatch(/^\/agent-0\.0\.0test-[0-9a-f]{12}\.tgz$/);
    const exact = await call(path);
    expect(exact.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    // Not by `toEqual`, which takes seconds for a megabyte, in which the server's connections run out of time.
    expect(Buffer.from(await exact.arrayBuffer()).equals(Buffer.from(await answer.arrayBuffer()))).toBe(true);
  });

  it('answers 304 to a caller that has it, and only the head to HEAD', async () => {
    const { headers } = await call('/agent.tgz', { method: 'HEAD' });
    const etag = headers.get('etag') ?? '';
    for (const tag of [etag, `"other", W/${etag}`]) {
      const again = await call('/agent.tgz', { headers: { 'if-none-match': tag } });
      expect({ status: again.status, etag: again.headers.get('etag') }).toEqual({ status: 304, etag });
      expect((await again.arrayBuffer()).byteLength).toBe(0);
    }
  });

  it('says where the agent is when another version is asked for', async () => {
    const answer = await call('/agent-0.0.1-0123456789ab.tgz');
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { message: expect.stringMatching(/is at \/agent-.*\.tgz/) } });
  });

  it('holds the agent and the protocol, no sources, no secret, and only exact versions of what is installed', async () => {
    directory = mkdtempSync(join(tmpdir(), 'rma-tarball-'));
    const file = join(directory, 'agent.tgz');
    writeFileSync(file, Buffer.from(await (await call('/agent.tgz')).arrayBuffer()));
    const names = execFileSync('tar', ['tzf', file], { encoding: 'utf8' }).trim().split('\n');
    expect(names).toContain('package/bin/rma-worker.js');
    expect(names).toContain('package/dist/cli/main.js');
    expect(names).toContain('package/node_modules/@rma/protocol/dist/check.js');
    expect(names).toContain('package/node_modules/@rma/workloads/dist/host/child.js');
    expect(names).toContain('package/node_modules/@rma/workloads/dist/cmaps/90ms-RKSJ-H.bcmap');
    const wanted = /^package\/(.*\.js|.*package\.json|LICENSE|.*\/dist\/cmaps\/([^/]+\.bcmap|LICENSE))$/;
    expect(names.filter((name) => !wanted.test(name))).toEqual([]);
    execFileSync('tar', ['xzf', file, '-C', directory]);
    const manifest = JSON.parse(readFileSync(join(directory, 'package/package.json'), 'utf8')) as {
      bin: Record<string, string>;
      dependencies: Record<string, string>;
      optionalDependencies?: Record<string, string>;
    };
    expect(manifest.bin).toEqual({ 'rma-worker': 'bin/rma-worker.js' });
    const { dependencies, optionalDependencies = {} } = manifest;
    for (const [name, version] of Object.entries({ ...dependencies, ...optionalDependencies })) {
      expect(version, name).toMatch(/^(npm:.+@)?\d+\.\d+\.\d+$/);
    }
    expect(Object.keys(optionalDependencies)).not.toContain('better-sqlite3-node20');
    expect(execFileSync('tar', ['xzOf', file], { encoding: 'latin1', maxBuffer: 67_108_864 })).not.toContain(
      pool.coordinator.token('join'),
    );
  });
});

it('GET /rma-worker.service is the unit in the checkout', async () => {
  const answer = await call('/rma-worker.service');
  expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(await answer.text()).toBe(readFileSync(join(ROOT, 'deploy/rma-worker.service'), 'utf8'));
});

it('the public address is what /health and the status page name', async () => {
  expect(await (await call('/health')).json()).toMatchObject({ publicUrl: 'https://pool.example.org' });
  expect(await (await call('/')).text()).toContain('npx --yes https://pool.example.org/agent.tgz');
});
