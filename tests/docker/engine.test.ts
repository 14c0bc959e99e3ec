/** Engines: where they are looked for, what is said of them, and what happens while one is away. */
import { join } from 'node:path';
import { defaultAddresses, detectEngine, parseEngineUrl } from '@rma/agent/docker/detect';
import { JobRuntime } from '@rma/agent/docker/job-runtime';
import { ofAgent } from '@rma/agent/docker/labels';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { needs } from '../support/needs.js';
import { CutSocket } from './support/cut-socket.js';
import { engineUrl, REDIS, spec, useDocker } from './support/fixture.js';

describe('the address of an engine', () => {
  it.each([
    ['unix:///var/run/docker.sock', { socketPath: '/var/run/docker.sock' }],
    ['/run/podman/podman.sock', { socketPath: '/run/podman/podman.sock' }],
    ['npipe:////./pipe/docker_engine', { socketPath: '//./pipe/docker_engine' }],
    ['tcp://127.0.0.1:2375', { protocol: 'http', host: '127.0.0.1', port: 2375 }],
    ['tcp://localhost', { protocol: 'http', host: 'localhost', port: 2375 }],
  ])('reads %s', (url, address) => {
    expect(parseEngineUrl(url, {})).toEqual(address);
  });

  it('speaks TLS where the environment says so', () => {
    const env = { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/certs' };
    expect(parseEngineUrl('tcp://127.0.0.1:2376', env)).toMatchObject({ protocol: 'https', certPath: '/certs' });
  });

  it.each(['tcp://192.0.2.7:2375', 'nonsense', 'ssh://host'])('refuses %s, and says what to give', (url) => {
    expect(() => parseEngineUrl(url, {})).toThrow(/--engine/);
  });

  it('is looked for where Docker and Podman put it on each system', () => {
    const linux = defaultAddresses({ XDG_RUNTIME_DIR: '/run/user/7' }, 'linux', '/home/x');
    expect(linux[0]).toBe('unix:///var/run/docker.sock');
    expect(linux).toContain('unix:///run/user/7/podman/podman.sock');
    expect(linux).toContain('unix:///run/podman/podman.sock');
    expect(defaultAddresses({}, 'darwin', '/Users/x')).toContain('unix:///Users/x/.docker/run/docker.sock');
    expect(defaultAddresses({}, 'win32', 'C:\\')).toEqual([
      'npipe:////./pipe/docker_engine',
      'npipe:////./pipe/podman-machine-default',
    ]);
  });

  it('is none where none is wanted, and its absence is reported where one was named', async () => {
    const reports: string[] = [];
    expect(await detectEngine('none', (text) => reports.push(text))).toBeUndefined();
    expect(reports).toEqual([]);
    expect(await detectEngine('unix:///nowhere.sock', (text) => reports.push(text))).toBeUndefined();
    expect(reports[0]).toMatch(/unix:\/\/\/nowhere.sock does not answer/);
  });
});

describe('an engine', { ...needs('docker'), timeout: 90_000 }, () => {
  const fixture = useDocker();
  let socket: CutSocket | undefined;
  const jobs: JobRuntime[] = [];

  afterEach(async () => {
    await Promise.all(jobs.splice(0).map((runtime) => runtime.stop()));
    await socket?.cut();
    socket = undefined;
  });

  const mine = async () => (await fixture.engine.containers.list(ofAgent(fixture.agent))).map(({ id }) => id).sort();

  it('says its name, version and whether it has GPUs', async () => {
    const found = await detectEngine(engineUrl(), () => undefined);
    expect(found?.info).toMatchObject({
      name: expect.stringMatching(/docker|podman/),
      version: expect.stringMatching(/^\d/),
    });
    expect(found?.info.nvidia).toBeTypeOf('boolean');
  });

  it('that goes away makes its services unhealthy, and comes back to the same containers', async () => {
    socket = new CutSocket(join(fixture.directory, 'engine.sock'), engineUrl().replace('unix://', ''));
    await socket.mend();
    const other = { command: ['sh', '-c', 'trap exit TERM; sleep 1000 & wait'] };
    const idle = fixture.runtime(await fixture.host(), 'other', spec(other));
    await idle.reaches('healthy');
    const redis = fixture.runtime(await fixture.host(socket.url), 'redis', REDIS);
    await redis.reaches('healthy');
    const before = await mine();
    idle.seen.length = 0;
    await socket.cut();
    await redis.reaches('unhealthy', /^the container engine does not answer \(.*\); next try in \d+ s$/);
    await socket.mend();
    await redis.reaches('healthy');
    expect(await mine()).toEqual(before);
    expect(idle.seen).toEqual([]);
    await redis.runtime.stop();
  });

  it('that is away takes no tasks, and takes them again once it is back', async () => {
    socket = new CutSocket(join(fixture.directory, 'engine.sock'), engineUrl().replace('unix://', ''));
    await socket.mend();
    const host = await fixture.host(socket.url);
    await socket.cut();
    const runtime = new JobRuntime({
      host,
      limits: () => ({ images: ['*'], slots: 1, maxMemoryMiB: 512, maxCores: 1, gpu: false }),
    });
    jobs.push(runtime);
    await runtime.start(() => undefined);
    await vi.waitFor(() =>
      expect(runtime.services()[0]).toMatchObject({ state: 'unhealthy', reason: expect.stringMatching(/engine/) }),
    );
    await socket.mend();
    await vi.waitFor(() => expect(runtime.services()[0]).toMatchObject({ state: 'healthy' }), { timeout: 20_000 });
  });
});
