/** Data services from the catalogue, end to end: assigned, pulled with progress, healed, and left behind in order. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentLabel } from '@rma/agent/docker/labels';
import { type Client, connect } from '@rma/client';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type CoordinatorProcess, startCoordinatorProcess } from '../support/coordinator-process.js';
import { needs } from '../support/needs.js';
import { Program } from '../support/program.js';
import { docker } from './support/fixture.js';

const REGISTRY = '127.0.0.1:5000/rma-pool';
const LAYER_BYTES = 8 * 1_048_576;
const WAIT = { timeout: 90_000, interval: 100 };

const CATALOG = `
version: 1
workloads:
  postgres:
    title: PostgreSQL
    tier: 3
    trust: trusted
    stateful: true
    kinds: []
    replicas: { floor: 1, ceiling: 1 }
    container:
      image: ${REGISTRY}/postgres:17
      gpu: false
      resources: { cores: 0.5, memoryMiB: 512 }
      env: { PGDATA: /var/lib/postgresql/data/pgdata }
      secrets: [POSTGRES_PASSWORD]
      volumes: [{ name: data, path: /var/lib/postgresql/data }]
      port: 5432
      health: { command: [pg_isready, -q, -h, 127.0.0.1], intervalSeconds: 1 }
      network: false
  redis:
    title: Redis
    tier: 3
    trust: trusted
    stateful: true
    kinds: []
    replicas: { floor: 1, ceiling: 1 }
    container:
      image: ${REGISTRY}/redis:8
      gpu: false
      resources: { cores: 0.5, memoryMiB: 128 }
      command: [redis-server, --dir, /data, --appendonly, 'yes', --appendfsync, always]
      volumes: [{ name: data, path: /data }]
      port: 6379
      health: { tcp: true, intervalSeconds: 1 }
      network: false
`;

/** The base image with a layer that no engine has, so that there is something to pull. */
function publish(name: string, base: string): void {
  const context = mkdtempSync(join(tmpdir(), 'rma-build-'));
  try {
    writeFileSync(join(context, 'layer'), randomBytes(LAYER_BYTES));
    writeFileSync(join(context, 'Dockerfile'), `FROM ${base}\nCOPY layer /layer\n`);
    docker('build', '-q', '-t', `${REGISTRY}/${name}`, context);
    docker('push', '-q', `${REGISTRY}/${name}`);
    docker('rmi', '-f', `${REGISTRY}/${name}`);
  } finally {
    rmSync(context, { recursive: true });
  }
}

describe('a pool with a container engine', {
  ...(needs('docker').skip ? { skip: true } : needs('registry')),
  timeout: 240_000,
}, () => {
  const directory = mkdtempSync(join(tmpdir(), 'rma-pool-'));
  const programs: Program[] = [];
  const labels: string[] = [];
  let coordinator: CoordinatorProcess;
  let admin: Client;

  beforeAll(async () => {
    publish('postgres:17', 'postgres:17');
    publish('redis:8', 'redis:8');
    const catalog = join(directory, 'catalog.yaml');
    writeFileSync(catalog, CATALOG);
    coordinator = await startCoordinatorProcess(join(directory, 'data'), { args: ['--catalog', catalog] });
    admin = connect({ url: coordinator.http, token: coordinator.token('admin') });
  }, 180_000);

  afterAll(async () => {
    for (const program of programs) await program.end('SIGKILL');
    await admin?.close();
    await coordinator?.stop();
    for (const label of labels) {
      const left = containers(label);
      if (left.length > 0) docker('rm', '-f', ...left);
      const volumes = volumesOf(label);
      if (volumes.length > 0) docker('volume', 'rm', '-f', ...volumes);
    }
    for (const name of ['postgres:17', 'redis:8']) docker('rmi', '-f', `${REGISTRY}/${name}`);
    rmSync(directory, { recursive: true });
  }, 90_000);

  const lines = (text: string) => text.split('\n').filter((line) => line !== '');
  const containers = (label: string, ...more: string[]) =>
    lines(docker('ps', '-aq', '--no-trunc', '--filter', `label=rma.agent=${label}`, ...more)).sort();
  const volumesOf = (label: string) => lines(docker('volume', 'ls', '-q', '--filter', `label=rma.agent=${label}`));

  function run(script: string, ...args: string[]): Program {
    const env = { RMA_URL: coordinator.http, RMA_TOKEN: '' };
    const program = new Program(script, args, { env });
    programs.push(program);
    return program;
  }

  /** A worker of the admin's; its token is for one use. */
  function worker(name: string, token?: string): Program {
    const state = ['--state', join(directory, name), '--name', name, '--no-detect'];
    const joins = token === undefined ? [] : ['--token', token];
    return run('agent/bin/rma-worker.js', '--url', coordinator.http, ...state, ...joins);
  }

  async function joins(name: string): Promise<Program> {
    const { token } = await admin.createToken({ role: 'join', name, trust: 'trusted' });
    return worker(name, token);
  }

  function labelOf(name: string): string {
    const label = agentLabel(readFileSync(join(directory, name, 'key'), 'utf8').trim());
    labels.push(label);
    return label;
  }

  const services = async (name: string) => {
    const all = await admin.workers();
    return all.find((one) => one.name === name)?.services ?? [];
  };
  const healthy = (name: string) =>
    vi.waitFor(async () => {
      for (const workload of ['postgres', 'redis']) {
        expect(await services(name)).toContainEqual(
          expect.objectContaining({ workload, runtime: 'docker', state: 'healthy' }),
        );
      }
    }, WAIT);

  it('runs PostgreSQL and Redis on a trusted worker, through every blow, and takes them down when it leaves', async () => {
    const first = await joins('alpha');
    await healthy('alpha');
    const label = labelOf('alpha');
    const events = run('client/bin/rma.js', 'events', '--since', '0', '--token', coordinator.token('admin'));
    for (const workload of ['postgres', 'redis']) {
      await events.says(new RegExp(`service.pulling.*${workload}`));
    }
    const running = containers(label, '--filter', 'status=running');
    expect(running).toHaveLength(2);

    const redis = containers(label, '--filter', 'label=rma.workload=redis')[0] ?? '';
    docker('exec', redis, 'redis-cli', 'set', 'kept', 'yes');
    docker('kill', redis);
    await vi.waitFor(async () => {
      expect(await services('alpha')).not.toContainEqual(
        expect.objectContaining({ workload: 'redis', state: 'healthy' }),
      );
    }, WAIT);
    await healthy('alpha');
    const healed = containers(label, '--filter', 'status=running');
    expect(healed).toHaveLength(2);
    const after = containers(label, '--filter', 'label=rma.workload=redis', '--filter', 'status=running')[0] ?? '';
    expect(docker('exec', after, 'redis-cli', 'get', 'kept').trim()).toBe('yes');

    await first.end('SIGKILL');
    await vi.waitFor(async () => expect(await services('alpha')).toEqual([]), WAIT);
    const second = await worker('alpha');
    await healthy('alpha');
    expect(containers(label, '--filter', 'status=running')).toEqual(healed);

    const leave = run('agent/bin/rma-worker.js', 'leave', '--state', join(directory, 'alpha'));
    expect((await leave.ended).code, leave.output).toBe(0);
    expect((await second.ended).code, second.output).toBe(0);
    expect(containers(label)).toEqual([]);
    expect(volumesOf(label)).toHaveLength(2);
  });

  it('keeps nothing at all when the donor says so', async () => {
    const program = await joins('beta');
    await healthy('beta');
    const label = labelOf('beta');
    const leave = run('agent/bin/rma-worker.js', 'leave', '--purge', '--state', join(directory, 'beta'));
    expect((await leave.ended).code, leave.output).toBe(0);
    await program.ended;
    expect(containers(label)).toEqual([]);
    expect(volumesOf(label)).toEqual([]);
  });
});
