/** Pulls from a real registry: progress in bytes, digests, what is missing, and the disk that unused images may keep. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { needs } from '../support/needs.js';
import { docker, spec, useDocker } from './support/fixture.js';

const REGISTRY = '127.0.0.1:5000';
const LAYER_BYTES = 12 * 1_048_576;
const NAME = `${REGISTRY}/rma-test/idle`;
const IDLE = ['/bin/sh', '-c', 'trap exit TERM; sleep 1000 & wait'];

describe('pulling', { ...(needs('docker').skip ? { skip: true } : needs('registry')), timeout: 90_000 }, () => {
  const fixture = useDocker();
  const digests: Record<'one' | 'two', string> = { one: '', two: '' };

  /** An image with layers that no engine has: random bytes on top of the base. */
  function build(tag: 'one' | 'two'): void {
    const context = mkdtempSync(join(tmpdir(), 'rma-build-'));
    try {
      writeFileSync(join(context, 'a'), randomBytes(LAYER_BYTES));
      writeFileSync(join(context, 'b'), randomBytes(LAYER_BYTES));
      writeFileSync(join(context, 'Dockerfile'), 'FROM debian:trixie-slim\nCOPY a /a\nCOPY b /b\n');
      docker('build', '-q', '-t', `${NAME}:${tag}`, context);
      docker('push', '-q', `${NAME}:${tag}`);
      const pushed = docker('image', 'inspect', '--format', '{{join .RepoDigests " "}}', `${NAME}:${tag}`);
      digests[tag] = /@(sha256:[0-9a-f]{64})/.exec(pushed)?.[1] ?? '';
    } finally {
      rmSync(context, { recursive: true });
    }
  }

  const forget = (ref: string) => {
    try {
      docker('rmi', '-f', ref);
    } catch (error) {
      // It is not here, which is what is wanted.
      expect(String(error)).toMatch(/No such image/);
    }
  };
  const forgetAll = () => {
    for (const tag of ['one', 'two'] as const) {
      forget(`${NAME}:${tag}`);
      forget(`${NAME}@${digests[tag]}`);
    }
  };

  beforeAll(() => {
    build('one');
    build('two');
  }, 120_000);
  afterAll(forgetAll);

  it('tells how many bytes are there, ever more of them, and then runs it', async () => {
    forgetAll();
    const { reaches, seen } = fixture.runtime(
      await fixture.host(),
      'idle',
      spec({ image: `${NAME}:one`, command: IDLE }),
    );
    await reaches('healthy');
    const pulls = seen.filter(({ state }) => state === 'pulling').map(({ pull }) => pull);
    expect(pulls.length).toBeGreaterThan(0);
    const bytes = pulls.map((pull) => pull?.bytes ?? 0);
    expect([...bytes].sort((a, b) => a - b)).toEqual(bytes);
    expect(bytes.at(-1)).toBeGreaterThanOrEqual(2 * LAYER_BYTES);
    expect(pulls.at(-1)?.totalBytes).toBe(bytes.at(-1));
    expect(seen.at(-1)?.pull).toBeUndefined();
  });

  it('pulls nothing that is here already, so that it works without a network', async () => {
    forgetAll();
    docker('tag', 'debian:trixie-slim', '127.0.0.1:1/nobody/listens:here');
    const here = spec({ image: '127.0.0.1:1/nobody/listens:here', command: IDLE });
    const { reaches, seen } = fixture.runtime(await fixture.host(), 'here', here);
    await reaches('healthy');
    expect(seen.map(({ state }) => state)).not.toContain('pulling');
    docker('rmi', '127.0.0.1:1/nobody/listens:here');
  });

  it('pulls by digest, whatever the tag says, and replaces the container once the new image is here', async () => {
    forgetAll();
    const image = `${NAME}:one`;
    const first = spec({ image, digest: digests.one, command: IDLE });
    const { reaches, runtime, seen, status } = fixture.runtime(await fixture.host(), 'idle', first);
    await reaches('healthy');
    seen.length = 0;
    runtime.update({ ...first, digest: digests.two });
    const runningImage = () =>
      docker(
        'inspect',
        '--format',
        '{{.Config.Image}}',
        docker('ps', '-q', '--filter', `label=rma.agent=${fixture.agent}`),
      );
    await vi.waitFor(() => expect(runningImage()).toContain(digests.two), { timeout: 40_000 });
    await reaches('healthy');
    // While it is pulled, the container before it serves.
    expect(seen.filter(({ pull }) => pull !== undefined).every(({ state }) => state === 'healthy')).toBe(true);
    expect(status().reason).toBeUndefined();
  });

  it('refuses a digest that the registry does not have, and lets what runs go on', async () => {
    const wrong = `sha256:${'0'.repeat(64)}`;
    const { reaches } = fixture.runtime(await fixture.host(), 'wrong', spec({ image: `${NAME}:one`, digest: wrong }));
    await reaches('unhealthy', /^the registry has no image .*@sha256:0000.*is the digest right\?/);

    const good = spec({ image: `${NAME}:one`, digest: digests.one, command: IDLE });
    const other = fixture.runtime(await fixture.host(), 'idle', good);
    await other.reaches('healthy');
    other.runtime.update({ ...good, digest: wrong });
    await other.reaches('healthy', /^runs its earlier image: the registry has no image/);
    other.runtime.update(good);
    await other.reaches('healthy', /^$/);
  });

  it('says that an image does not exist, or that its registry cannot be reached', async () => {
    const host = await fixture.host();
    const missing = fixture.runtime(host, 'missing', spec({ image: `${REGISTRY}/rma-test/no-such:1` }));
    await missing.reaches('unhealthy', /^image .*no-such:1 does not exist.*next try in \d s$/);
    const away = fixture.runtime(host, 'away', spec({ image: '127.0.0.1:1/away:1' }));
    await away.reaches('unhealthy', /^the registry of 127.0.0.1:1\/away:1 cannot be reached/);
  });

  it('removes the longest unused of its images once they take more than their share, and no image of others', async () => {
    forgetAll();
    const host = await fixture.host(undefined, 1);
    const nobody = () => undefined;
    const { signal } = new AbortController();
    await host.images.ensure(`${NAME}:one`, nobody, signal);
    await host.images.ensure(`${NAME}:two`, nobody, signal);
    // It is unused, and larger than the budget of 1 MiB; the other one has just been asked for.
    expect(await fixture.engine.images.inspect(`${NAME}:one`)).toBeUndefined();
    expect(await fixture.engine.images.inspect(`${NAME}:two`)).toBeDefined();
    expect(await fixture.engine.images.inspect('debian:trixie-slim')).toBeDefined();
  });
});
