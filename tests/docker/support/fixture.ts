/** A container host of a test's own, on the real engine; afterwards no container, volume or secret of it may be left. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeAll } from '@rma/agent/docker/clean-up';
import { ContainerHost } from '@rma/agent/docker/container-host';
import { detectEngine, parseEngineUrl } from '@rma/agent/docker/detect';
import { Engine } from '@rma/agent/docker/engine/engine';
import { Images } from '@rma/agent/docker/images';
import { agentLabel, ofAgent } from '@rma/agent/docker/labels';
import { DockerRuntime } from '@rma/agent/docker/runtime';
import { SecretFile } from '@rma/agent/docker/secrets';
import { silentLog } from '@rma/agent/log';
import type { ContainerSpec } from '@rma/protocol/workload';
import type { ServiceStatus } from '@rma/workloads/runtime';
import { afterEach, beforeEach, expect, vi } from 'vitest';

export interface DockerFixture {
  directory: string;
  readonly key: string;
  readonly agent: string;
  engine: Engine;
  /** On another socket, where given. */
  host(url?: string, imageBudgetMiB?: number): Promise<ContainerHost>;
  /** Started, and stopped after the test. */
  runtime(host: ContainerHost, workload: string, container: ContainerSpec): StartedRuntime;
}

export interface StartedRuntime {
  readonly runtime: DockerRuntime;
  /** Every state that it was in, in order. */
  readonly seen: ServiceStatus[];
  status(): ServiceStatus;
  reaches(state: ServiceStatus['state'], reason?: RegExp, timeoutMs?: number): Promise<ServiceStatus>;
}

export function useDocker(): DockerFixture {
  // Stopping containers takes its time on a busy machine.
  vi.setConfig({ hookTimeout: 90_000 });
  const runtimes: DockerRuntime[] = [];
  const fixture: DockerFixture = {
    directory: '',
    key: '',
    agent: '',
    engine: new Engine(parseEngineUrl(engineUrl())),
    async host(url = engineUrl(), imageBudgetMiB = 1_024) {
      const found = await detectEngine(url, () => undefined);
      if (!found) throw new Error('no engine');
      const log = silentLog();
      const { engine, info } = found;
      return new ContainerHost({
        engine,
        info,
        images: new Images(engine, fixture.directory, imageBudgetMiB, log),
        secrets: new SecretFile(fixture.directory),
        log,
        self: undefined,
        cores: () => info.cores,
        owner: () => ({ agent: fixture.agent, worker: `w-${fixture.agent.slice(0, 8)}` }),
      });
    },
    runtime(host, workload, container) {
      const runtime = new DockerRuntime({ host, workload, container });
      runtimes.push(runtime);
      return started(runtime);
    },
  };
  beforeEach(() => {
    fixture.directory = mkdtempSync(join(tmpdir(), 'rma-docker-'));
    Object.assign(fixture, { key: fixture.directory, agent: agentLabel(fixture.directory) });
  });
  afterEach(async () => {
    await Promise.all(runtimes.splice(0).map((runtime) => runtime.stop()));
    expect(await fixture.engine.containers.list(ofAgent(fixture.agent))).toEqual([]);
    await removeAll({ engine: fixture.engine, stateDir: fixture.directory, stateKey: fixture.key, purgeVolumes: true });
    expect(await fixture.engine.volumes.list(ofAgent(fixture.agent))).toEqual([]);
    expect(await fixture.engine.networks.list(ofAgent(fixture.agent))).toEqual([]);
    rmSync(fixture.directory, { recursive: true, force: true });
  });
  return fixture;
}

/** Starts a runtime and records its states. */
function started(runtime: DockerRuntime): StartedRuntime {
  const seen: ServiceStatus[] = [];
  const status = () => runtime.services()[0]!;
  void runtime.start(() => seen.push(status()));
  return {
    runtime,
    seen,
    status,
    reaches: (state, reason = /^/, timeoutMs = 60_000) =>
      vi.waitFor(
        () => {
          const now = status();
          expect(now, JSON.stringify(now)).toMatchObject({ state });
          expect(now.reason ?? '').toMatch(reason);
          return now;
        },
        { timeout: timeoutMs, interval: 50 },
      ),
  };
}

export function engineUrl(): string {
  return process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
}

/** The docker command; what it said. */
export function docker(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('docker', args, { encoding: 'utf8', timeout: 120_000 });
  if (status !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

export const spec = (more: Partial<ContainerSpec>): ContainerSpec => ({
  image: 'debian:trixie-slim',
  gpu: false,
  resources: { cores: 1, memoryMiB: 128 },
  kinds: [],
  slots: 0,
  network: false,
  ...more,
});

export const REDIS = spec({
  image: 'redis:8',
  port: 6_379,
  health: { command: ['redis-cli', 'ping'], intervalSeconds: 1, startSeconds: 60 },
  volumes: [{ name: 'data', path: '/data' }],
});

export const POSTGRES = spec({
  image: 'postgres:17',
  port: 5_432,
  resources: { cores: 1, memoryMiB: 512 },
  secrets: ['POSTGRES_PASSWORD'],
  env: { PGDATA: '/var/lib/postgresql/data/pgdata' },
  health: { command: ['pg_isready', '-h', '127.0.0.1'], intervalSeconds: 1, startSeconds: 120 },
  volumes: [{ name: 'data', path: '/var/lib/postgresql/data' }],
});
