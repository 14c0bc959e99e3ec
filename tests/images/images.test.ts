/** The images as people build and run them: real builds, real containers, a real OCR job from one to the other. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, connect } from '@rma/client';
import { packPayload } from '@rma/protocol/payload';
import { type Frame, FrameReader } from '@rma/workloads/task-server/frames';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { composeCommand, needs } from '../support/needs.js';
import { ROOT } from '../support/program.js';
import { build, docker, MARK, publishedPort, removeAll, removeImages, untilHealthy } from './support/docker.js';

const COORDINATOR = `${MARK}-coordinator:test`;
const CPU_WORKER = `${MARK}-cpu-worker:test`;
const GPU_WORKER = `${MARK}-gpu-worker:test`;
const BASE = 'node:24-trixie-slim';
const MIB = 1_048_576;
const letter = readFileSync(join(ROOT, 'docs/samples/letter.png'));
const FIRST_LINE = 'Harbour & Finch Solicitors LLP';

/** The images bring their own Node and transport: the suite's second run, on another Node, would test the same again. */
const need = process.env.RMA_TEST_TRANSPORT === 'ws' ? { skip: true } : needs('nodeImage');

describe('the images', { timeout: 120_000, ...need }, () => {
  const network = `${MARK}-net`;
  const coordinator = `${MARK}-c`;
  const worker = `${MARK}-w`;
  const state = `${MARK}-state`;
  let base: string;
  let client: Client | undefined;

  const token = (name: string) => docker('exec', coordinator, 'cat', `/data/${name}.token`);
  const health = async () => (await (await fetch(`${base}/health`)).json()) as Record<string, unknown>;
  const online = (count: number) =>
    vi.waitFor(async () => expect(await health()).toMatchObject({ workers: { online: count } }), {
      timeout: 60_000,
      interval: 250,
    });
  const startWorker = (...environment: string[]) =>
    docker(
      ...['run', '-d', '--name', worker, '--network', network, '-v', `${state}:/var/lib/rma-worker`],
      ...['-e', 'COORDINATOR_URL=http://coordinator:8080', ...environment.flatMap((one) => ['-e', one])],
      ...[CPU_WORKER, '--insecure', '--name', 'in-a-box'],
    );

  beforeAll(async () => {
    await build('Dockerfile.coordinator', COORDINATOR);
    await build('Dockerfile.worker', CPU_WORKER, '--target', 'cpu');
    await docker('network', 'create', network);
    await docker(
      ...['run', '-d', '--name', coordinator, '--network', network, '--network-alias', 'coordinator'],
      ...['-p', '127.0.0.1:0:8080', '-e', 'RMA_PUBLIC_URL=https://pool.example.org', COORDINATOR],
    );
    base = `http://127.0.0.1:${await publishedPort(coordinator, 8080)}`;
  }, 600_000);

  afterAll(async () => {
    await client?.close();
    await removeAll();
    await removeImages();
  }, 120_000);

  it('the coordinator passes its health check as a user without rights, on uWebSockets.js', async () => {
    await untilHealthy(coordinator);
    expect(await health()).toMatchObject({ status: 'ok', transport: 'uws', publicUrl: 'https://pool.example.org' });
    expect(await docker('exec', coordinator, 'id', '-u')).toBe('1000');
    expect(await docker('exec', coordinator, 'stat', '-c', '%U %a', '/data')).toBe('node 700');
    expect(await docker('exec', coordinator, 'sh', '-c', 'rma workers 2>&1')).toMatch(/no workers yet/);
  });

  it('the coordinator is little more than Node: one binary of its transport, no compiler, no development tools', async () => {
    const list = (path: string) => docker('exec', coordinator, 'sh', '-c', `ls -d ${path} 2>/dev/null || true`);
    expect((await list('/app/node_modules/uWebSockets.js/*.node')).split('\n')).toHaveLength(1);
    expect((await list('/app/node_modules/better-sqlite3/prebuilds/*')).split('\n')).toHaveLength(1);
    for (const absent of [
      'vitest',
      'typescript',
      '@biomejs',
      'bullmq',
      'tesseract.js',
      'better-sqlite3-node20',
      'vite',
      'svelte',
    ]) {
      expect(await list(`/app/node_modules/${absent}`)).toBe('');
    }
    expect(await list('/usr/bin/gcc /usr/bin/make')).toBe('');
    const size = async (image: string) => Number(await docker('inspect', '-f', '{{.Size}}', image));
    expect(((await size(COORDINATOR)) - (await size(BASE))) / MIB).toBeLessThan(40);
  });

  it('the coordinator serves the dashboard that was built with it, and of that nothing but the build', async () => {
    const page = await fetch(base);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const html = await page.text();
    const script = /\/_app\/immutable\/entry\/start\.[\w-]+\.js/.exec(html)?.[0];
    const file = await fetch(`${base}${script}`, { headers: { 'accept-encoding': 'br' } });
    expect(file.headers.get('content-encoding')).toBe('br');
    expect(file.headers.get('cache-control')).toContain('immutable');
    expect(await docker('exec', coordinator, 'ls', '/app/dashboard')).toBe('build');
  });

  it('serves the agent that was built with it', async () => {
    const answer = await fetch(`${base}/agent.tgz`);
    expect({ status: answer.status, type: answer.headers.get('content-type') }).toEqual({
      status: 200,
      type: 'application/gzip',
    });
    expect((await fetch(`${base}/rma-worker.service`)).status).toBe(200);
  });

  it('a worker in a container joins, passes its health check without rights, and does an OCR job', async () => {
    await startWorker(`RMA_TOKEN=${await token('join')}`);
    await online(1);
    await untilHealthy(worker);
    expect(await docker('exec', worker, 'id', '-u')).toBe('1000');
    client = connect({ url: base, token: await token('client') });
    const { output } = await client.submit('ocr.read', { file: new Uint8Array(letter) }).result();
    expect(output).toMatchObject({ text: expect.stringContaining(FIRST_LINE) });
  });

  it('a worker keeps its identity in its volume: a new container needs no token', async () => {
    const who = async () => JSON.parse(await docker('exec', worker, 'cat', '/var/lib/rma-worker/worker.json')).id;
    const id = await who();
    await docker('rm', '-f', worker);
    await online(0);
    await startWorker();
    await online(1);
    expect(await who()).toBe(id);
    expect(await health()).toMatchObject({ workers: { online: 1, total: 1 } });
  });

  it('both end in order when they are stopped, and the worker says before that it is away', async () => {
    await docker('stop', '-t', '10', coordinator);
    expect(await docker('inspect', '-f', '{{.State.ExitCode}}', coordinator)).toBe('0');
    const unhealthy = async () => {
      const said = await docker('exec', worker, 'sh', '-c', 'node /app/deploy/worker-health.mjs || true');
      expect(said).toMatch(/^offline since .*coordinator/);
    };
    await vi.waitFor(unhealthy, { timeout: 20_000 });
    await docker('stop', '-t', '20', worker);
    expect(await docker('inspect', '-f', '{{.State.ExitCode}}', worker)).toBe('0');
    await docker('start', coordinator);
    base = `http://127.0.0.1:${await publishedPort(coordinator, 8080)}`;
    await vi.waitFor(async () => expect(await health()).toMatchObject({ workers: { total: 1 } }), { timeout: 30_000 });
  });

  it('the same image serves one workload by another command, with nothing to write to and no rights at all', async () => {
    const name = `${MARK}-tasks`;
    await docker(
      ...['run', '-d', '--name', name, '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--pids-limit', '128'],
      ...['--security-opt', 'no-new-privileges', '--tmpfs', '/var/lib/rma-worker', '-p', '127.0.0.1:0:8000'],
      ...[CPU_WORKER, 'rma-task-server', '--workload', 'ocr'],
    );
    await untilHealthy(name);
    const answer = await fetch(`http://127.0.0.1:${await publishedPort(name, 8000)}/tasks/ocr.read`, {
      method: 'POST',
      headers: { 'content-type': 'application/msgpack' },
      body: new Uint8Array(packPayload({ file: new Uint8Array(letter) })),
    });
    const reader = new FrameReader();
    const frames: Frame[] = [];
    for await (const part of answer.body as unknown as AsyncIterable<Uint8Array>) frames.push(...reader.push(part));
    expect(frames.at(-1)).toMatchObject({ type: 'output', output: { text: expect.stringContaining(FIRST_LINE) } });
    await docker('stop', '-t', '10', name);
    expect(await docker('inspect', '-f', '{{.State.ExitCode}}', name)).toBe('0');
  });

  it('the GPU image is the same, and asks the NVIDIA runtime for its libraries', async () => {
    await build('Dockerfile.worker', GPU_WORKER, '--target', 'gpu');
    const inspect = async (image: string) => JSON.parse(await docker('inspect', image))[0];
    const [cpu, gpu] = [await inspect(CPU_WORKER), await inspect(GPU_WORKER)];
    expect(gpu.RootFS).toEqual(cpu.RootFS);
    expect(gpu.Config).toMatchObject({ User: 'node', Entrypoint: cpu.Config.Entrypoint, Cmd: ['rma-worker'] });
    expect(gpu.Config.Healthcheck).toEqual(cpu.Config.Healthcheck);
    expect(gpu.Config.Env).toContain('NVIDIA_VISIBLE_DEVICES=all');
    expect(gpu.Config.Env).toContain('NVIDIA_DRIVER_CAPABILITIES=compute,utility');
    expect(await docker('run', '--rm', '--name', `${MARK}-gpu`, GPU_WORKER, '--version')).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it(
    'compose.yaml brings up a pool with two workers that see the join token, and no other secret',
    needs('compose'),
    async () => {
      const [command = '', ...first] = composeCommand() ?? [];
      const project = `${MARK}-compose`;
      // The images that were built above, under the names that the file gives them for this project.
      const directory = mkdtempSync(join(tmpdir(), 'rma-compose-'));
      const override = join(directory, 'images.yaml');
      writeFileSync(
        override,
        `services:\n  coordinator: {image: '${COORDINATOR}'}\n  worker-1: {image: '${CPU_WORKER}'}\n  worker-2: {image: '${CPU_WORKER}'}\n`,
      );
      const compose = (...args: string[]) =>
        execFileSync(command, [...first, '-p', project, '-f', 'compose.yaml', '-f', override, ...args], {
          cwd: ROOT,
          env: { ...process.env, RMA_PORT: '0' },
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'pipe'],
        });
      try {
        compose('up', '-d', '--no-build');
        const ids = (service: string) => compose('ps', '-q', service).trim();
        const port = await publishedPort(ids('coordinator'), 8080);
        const workers = async () => {
          const answer = await fetch(`http://127.0.0.1:${port}/health`);
          expect(await answer.json()).toMatchObject({ transport: 'uws', workers: { online: 2 } });
        };
        await vi.waitFor(workers, { timeout: 90_000, interval: 500 });
        for (const service of ['worker-1', 'worker-2']) {
          const id = ids(service);
          await untilHealthy(id);
          expect(await docker('exec', id, 'sh', '-c', 'ls /join; ls -d /data 2>/dev/null || true')).toBe('join.token');
          await expect(docker('exec', id, 'sh', '-c', 'echo x > /join/join.token')).rejects.toThrow(/Read-only/);
        }
      } finally {
        compose('down', '-v', '-t', '15');
        rmSync(directory, { recursive: true });
      }
    },
  );
});
