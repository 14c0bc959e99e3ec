/** The files for hosts, held against what they speak of: fly.toml and the units against a coordinator that runs. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkerView } from '@rma/protocol/view';
import { parse } from 'smol-toml';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { needs } from '../support/needs.js';
import { Peer, workerHello } from '../support/peer.js';
import { Program, ROOT } from '../support/program.js';
import { wallLimit } from '../support/time.js';

const BIN = 'server/bin/rma-coordinator.js';
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

interface Fly {
  readonly kill_signal: NodeJS.Signals;
  readonly kill_timeout: number;
  readonly build: { readonly dockerfile: string };
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: { readonly destination: string };
  readonly http_service: {
    readonly internal_port: number;
    readonly force_https: boolean;
    readonly auto_stop_machines: string;
    readonly auto_start_machines: boolean;
    readonly checks: readonly { readonly method: string; readonly path: string; readonly timeout: string }[];
  };
}

let directory: string;
let program: Program | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rma-hosts-'));
});
afterEach(async () => {
  await program?.end('SIGKILL');
  program = undefined;
  rmSync(directory, { recursive: true });
});

describe('fly.toml', () => {
  const fly = parse(read('fly.toml')) as unknown as Fly;

  it('sends requests to the port on which the coordinator listens, for all, with its data on the volume', async () => {
    program = new Program(BIN, ['--print-config'], { env: fly.env });
    await program.ended;
    const config = parseYaml(program.stdout) as Record<string, unknown>;
    expect(config).toMatchObject({ host: '0.0.0.0', port: fly.http_service.internal_port, 'trust-proxy': true });
    expect(config.data).toBe(fly.mounts.destination);
  });

  it('builds a Dockerfile whose volume is the mount', () => {
    const dockerfile = read(fly.build.dockerfile);
    expect(dockerfile).toMatch(new RegExp(`^VOLUME ${fly.mounts.destination}$`, 'm'));
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile).toMatch(new RegExp(`^STOPSIGNAL ${fly.kill_signal}$`, 'm'));
  });

  it('wakes and stops the machine by its connections, behind TLS', () => {
    const { auto_stop_machines, auto_start_machines, force_https } = fly.http_service;
    expect({ auto_stop_machines, auto_start_machines, force_https }).toEqual({
      auto_stop_machines: 'stop',
      auto_start_machines: true,
      force_https: true,
    });
  });

  it('checks a path that answers 200, takes addresses from the header, and waits until an orderly stop is over', async () => {
    const args = ['--port', '0', '--host', '127.0.0.1', '--data', join(directory, 'data')];
    program = new Program(BIN, args, { env: fly.env });
    const port = await program.says(/listening on http:\/\/127\.0\.0\.1:(\d+)/);
    for (const { method, path } of fly.http_service.checks) {
      // As Fly's own check does: over plain http, without a redirect.
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, redirect: 'error' });
      expect(answer.status).toBe(200);
    }
    const token = (name: string) => readFileSync(join(directory, 'data', `${name}.token`), 'utf8').trim();
    const url = `ws://127.0.0.1:${port}/ws`;
    const headers = { 'fly-client-ip': '203.0.113.7', 'x-forwarded-for': '203.0.113.7, 66.241.125.1' };
    const worker = await Peer.dial(url, { headers });
    await worker.hello({ token: token('join'), worker: workerHello({ services: [] }) });
    const admin = await Peer.dial(url);
    await admin.hello({ token: token('admin') });
    const [view] = (await admin.ask({ type: 'query', query: { what: 'workers' } })) as WorkerView[];
    expect(view?.address).toBe('203.0.113.7');

    const before = performance.now();
    expect(await program.end(fly.kill_signal)).toEqual({ code: 0, signal: null });
    expect(performance.now() - before).toBeLessThan(wallLimit(fly.kill_timeout * 1_000));
    expect((await worker.closed).reason).toBe('going_away');
    await admin.closed;
    // The coordinator's own limit, after which it ends whatever hangs, lies within, too.
    const limitMs = Number(/STOP_LIMIT_MS = ([\d_]+)/.exec(read('server/src/main.ts'))?.[1]?.replaceAll('_', ''));
    expect(limitMs).toBeGreaterThan(0);
    expect(limitMs).toBeLessThan(fly.kill_timeout * 1_000);
  });
});

describe('the units of systemd', () => {
  const units = ['deploy/rma-coordinator.service', 'deploy/rma-worker.service'];

  it.each(units)('%s passes systemd-analyze verify', needs('systemd'), (unit) => {
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', join(ROOT, unit)], {
      encoding: 'utf8',
    });
    expect({ status, said: `${stdout}${stderr}` }).toEqual({ status: 0, said: '' });
  });

  it.each(units)('%s runs as no one, may write nowhere but in its own directories, and gains no rights', (unit) => {
    const text = read(unit);
    for (const setting of [
      'DynamicUser=yes',
      'NoNewPrivileges=yes',
      'ProtectSystem=strict',
      'CapabilityBoundingSet=',
    ]) {
      expect(text).toMatch(new RegExp(`^${setting}$`, 'm'));
    }
    expect(text).not.toMatch(/TOKEN=/);
  });

  it('the coordinator starts what is in the checkout, and is given longer to stop than it takes', () => {
    const text = read('deploy/rma-coordinator.service');
    const path = /^ExecStart=\/usr\/bin\/env node \/opt\/rma-pool\/(.+)$/m.exec(text)?.[1] ?? '';
    expect(existsSync(join(ROOT, path))).toBe(true);
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1])).toBeGreaterThan(5);
  });
});
