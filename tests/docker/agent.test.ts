/** A whole agent with an engine: assigned containers through its death, its log on request, its end, `container.run`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removeAll } from '@rma/agent/docker/clean-up';
import { parseEngineUrl } from '@rma/agent/docker/detect';
import { Engine } from '@rma/agent/docker/engine/engine';
import { agentLabel, ofAgent } from '@rma/agent/docker/labels';
import { packPayload, unpackPayload } from '@rma/protocol/payload';
import type { Assignment, Service } from '@rma/protocol/worker';
import type { ContainerSpec } from '@rma/protocol/workload';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { NO_ASSIGNMENT, type TestSession, taskId } from '../agent/link/support/coordinator.js';
import { useFixture } from '../agent/link/support/fixture.js';
import { needs } from '../support/needs.js';
import { docker, engineUrl, POSTGRES, REDIS } from './support/fixture.js';

const BIN = join(dirname(fileURLToPath(import.meta.resolve('@rma/agent/cli/main'))), '../..', 'bin', 'rma-worker.js');

describe('an agent with a container engine', { ...needs('docker'), timeout: 240_000 }, () => {
  const fixture = useFixture();
  const engine = new Engine(parseEngineUrl(engineUrl()));
  const children: ChildProcess[] = [];

  const stateDir = () => join(fixture.directory, 'state');
  const stateKey = () => readFileSync(join(stateDir(), 'key'), 'utf8').trim();
  const mine = async () => (await engine.containers.list(ofAgent(agentLabel(stateKey())))).map(({ id }) => id).sort();

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await removeAll({ engine, stateDir: stateDir(), stateKey: stateKey(), purgeVolumes: true });
  });

  const assignment = (workloads: Readonly<Record<string, ContainerSpec>>): Assignment => ({
    ...NO_ASSIGNMENT,
    workloads: Object.entries(workloads).map(([workload, container]) => ({ workload, reason: 'test', container })),
  });

  function start(workloads: Readonly<Record<string, ContainerSpec>>, ...args: string[]) {
    const { coordinator } = fixture;
    coordinator.answer = (hello) => ({
      ...(hello.token === 'join-token' ? { id: 'w-docker', credential: 'own-credential' } : {}),
      assignment: assignment(workloads),
    });
    const all = ['--url', coordinator.url, '--token', 'join-token', '--state', stateDir(), ...args];
    const child = spawn(process.execPath, [BIN, ...all], { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    return child;
  }

  const service = (session: TestSession, name: string): Service | undefined =>
    session
      .of('services')
      .at(-1)
      ?.services.find((one) => one.name === name);
  const healthy = (session: TestSession, name: string) =>
    fixture.coordinator.until(`${name} healthy`, () => service(session, name)?.state === 'healthy', 110_000);

  it('finds an engine that starts after it, says so, and runs what it could not run before', async () => {
    const { coordinator } = fixture;
    const socket = join(fixture.directory, 'engine.sock');
    coordinator.answer = () => ({ assignment: assignment({ redis: REDIS }) });
    const agent = fixture.agent({ engine: `unix://${socket}`, engineSearchMs: 50 });
    await agent.start();
    const session = await coordinator.welcomed(1);
    expect(session.hello.worker?.engine).toBeUndefined();
    await coordinator.until('the reason', () => service(session, 'redis')?.reason?.includes('no engine') === true);
    symlinkSync(engineUrl().replace('unix://', ''), socket);
    await coordinator.until('the engine', () => session.of('policy').some(({ engine }) => engine !== undefined));
    await healthy(session, 'redis');
  });

  it('runs what it is assigned, keeps it through SIGKILL, and takes it down when it ends, but not the data', async () => {
    const { coordinator } = fixture;
    const first = start({ redis: REDIS, postgres: POSTGRES });
    const session = await coordinator.welcomed(1);
    expect(session.hello.worker?.engine).toMatchObject({
      name: 'docker',
      gpu: expect.any(Boolean),
      version: expect.any(String),
    });
    await Promise.all([healthy(session, 'redis'), healthy(session, 'postgres')]);
    expect(service(session, 'redis')).toMatchObject({ runtime: 'docker', workload: 'redis', kinds: [], slots: 0 });
    const before = await mine();
    first.kill('SIGKILL');
    await once(first, 'exit');
    expect(await mine()).toEqual(before);

    const second = start({ redis: REDIS, postgres: POSTGRES });
    const again = await coordinator.welcomed(2);
    await Promise.all([healthy(again, 'redis'), healthy(again, 'postgres')]);
    expect(await mine()).toEqual(before);

    again.send({ type: 'assign', assignment: assignment({ redis: REDIS }) });
    await vi.waitFor(async () => expect((await mine()).length).toBe(1), { timeout: 30_000 });
    again.send({ type: 'logs', ref: 7, service: 'redis', lines: 5 });
    const lines = await coordinator.until('the log', () => again.of('log.lines').at(0));
    expect(lines).toMatchObject({
      ref: 7,
      lines: expect.arrayContaining([expect.objectContaining({ service: 'redis' })]),
    });

    second.kill('SIGTERM');
    expect((await once(second, 'exit'))[0]).toBe(0);
    expect(await mine()).toEqual([]);
    expect((await engine.volumes.list(ofAgent(agentLabel(stateKey())))).length).toBe(2);
  });

  it('that was killed, and is not assigned the same again, takes away what it finds', async () => {
    const { coordinator } = fixture;
    const first = start({ redis: REDIS });
    await healthy(await coordinator.welcomed(1), 'redis');
    first.kill('SIGKILL');
    await once(first, 'exit');
    expect((await mine()).length).toBe(1);
    start({});
    await coordinator.welcomed(2);
    await vi.waitFor(async () => expect(await mine()).toEqual([]), { timeout: 30_000 });
  });

  it('offers container.run for the images that its donor admits, and only then', async () => {
    const { coordinator } = fixture;
    const child = start({}, '--allow-image', 'debian:*');
    const session = await coordinator.welcomed(1);
    const offered = [
      ...(session.hello.worker?.services ?? []),
      ...session.of('services').flatMap(({ services }) => services),
    ];
    await coordinator.until(
      'containers',
      () => offered.find(({ name }) => name === 'containers') ?? service(session, 'containers'),
    );
    session.dispatch({
      task: taskId(1),
      kind: 'container.run',
      input: packPayload({
        image: 'debian:trixie-slim',
        command: ['sh', '-c', 'cat x; echo y >out'],
        files: [{ path: 'x', content: 'in\n' }],
        outputs: ['out'],
      }),
    });
    const [result] = await coordinator.until('its result', () => session.results.length > 0 && session.results, 60_000);
    expect(result?.error).toBeUndefined();
    expect(unpackPayload(result?.output ?? new Uint8Array())).toMatchObject({
      exitCode: 0,
      log: 'in\n',
      files: [{ path: 'out', content: Buffer.from('y\n') }],
    });
    session.dispatch({
      task: taskId(2),
      kind: 'container.run',
      input: packPayload({ image: 'debian:trixie-slim', command: ['sleep', '100'] }),
    });
    await vi.waitFor(async () => expect((await mine()).length).toBe(1), { timeout: 30_000 });
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect((await mine()).length).toBe(1);
    start({}, '--engine', 'auto');
    const second = await coordinator.welcomed(2);
    await vi.waitFor(async () => expect(await mine()).toEqual([]), { timeout: 30_000 });
    expect(second.hello.worker?.services.map(({ name }) => name)).not.toContain('containers');
  });

  it('keeps containers and jobs within what its donor lends, by worker.yaml as it is now', async () => {
    const terms = (text: string): void => writeFileSync(join(stateDir(), 'worker.yaml'), text);
    mkdirSync(stateDir(), { recursive: true });
    // The images that services may have are none that tasks may bring.
    terms('caps: {cores: 1, memoryMiB: 512}\nallow: {images: ["redis:*", "debian:*"]}\n');
    const { coordinator } = fixture;
    const wide = { ...REDIS, resources: { cores: 64, memoryMiB: 128 } };
    start({ wide, large: { ...REDIS, resources: { cores: 1, memoryMiB: 513 } } });
    const session = await coordinator.welcomed(1);
    await healthy(session, 'wide');
    expect(service(session, 'large')?.reason).toMatch(/513 MiB of memory, and this machine's owner lends 512/);
    expect(service(session, 'containers')).toBeUndefined();
    const [container = ''] = await mine();
    expect(docker('inspect', '--format', '{{.HostConfig.NanoCpus}}', container)).toBe('1000000000');

    terms('caps: {cores: 1, memoryMiB: 512}\njobs: {images: ["debian:*"]}\n');
    await healthy(session, 'containers');
    expect(service(session, 'containers')?.slots).toBe(1);
    const run = async (number: number, input: object): Promise<string | undefined> => {
      session.dispatch({
        task: taskId(number),
        kind: 'container.run',
        input: packPayload({ image: 'debian:trixie-slim', command: ['true'], ...input }),
      });
      await coordinator.until('its result', () => session.results.length >= number, 60_000);
      return session.results.at(-1)?.error?.message;
    };
    expect(await run(1, { memoryMiB: 257 })).toMatch(/memoryMiB 257 is more than the 256/);
    expect(await run(2, { cores: 2 })).toMatch(/cores 2 is more than the 1/);
    expect(await run(3, { image: 'redis:8' })).toMatch(/does not run the image redis:8; it runs debian:\*/);
    expect(await run(4, { memoryMiB: 256 })).toBeUndefined();

    terms('');
    await coordinator.until('no jobs', () => service(session, 'containers') === undefined, 30_000);
  });

  it('has no engine to tell of where none is wanted, and says why an assigned container does not run', async () => {
    start({ redis: REDIS }, '--engine', 'none');
    const session = await fixture.coordinator.welcomed(1);
    expect(session.hello.worker?.engine).toBeUndefined();
    const refused = await fixture.coordinator.until('the reason', () => service(session, 'redis')?.reason);
    expect(refused).toMatch(/it runs in a container, and this machine has no engine/);
  });
});
