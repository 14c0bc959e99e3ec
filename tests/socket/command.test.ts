/** The command rma-coordinator: settings, output, refusals, and an orderly shutdown. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SETTINGS } from '@rma/server/config';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { needs } from '../support/needs.js';
import { echoTask, Peer, workerHello } from '../support/peer.js';
import { eventually } from '../support/pool.js';
import { wallLimit } from '../support/time.js';

const command = fileURLToPath(new URL('../../server/bin/rma-coordinator.js', import.meta.url));

let directory: string;
const running = new Set<ChildProcess>();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rma-command-'));
});
afterEach(async () => {
  for (const child of running) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(directory, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[], environment: Record<string, string> = {}) {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RMA_')));
  const child = spawn(process.execPath, [command, ...args], {
    cwd: directory,
    env: { ...clean, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const lines = createInterface({ input: child.stdout });
  const ended: Promise<Ended> = once(child, 'close').then(([code]) => ({ code, stdout, stderr }));
  const firstLine = Promise.race([
    once(lines, 'line').then(([line]) => String(line)),
    ended.then((end) => Promise.reject(new Error(`it ended with ${end.code}: ${end.stderr}`))),
  ]);
  // Most tests do not await the first line: its rejection must not count as unhandled.
  firstLine.catch(() => undefined);
  return { child, ended, firstLine };
}

const run = (args: readonly string[], environment?: Record<string, string>) => start(args, environment).ended;
const data = () => join(directory, 'data');

async function serve(...args: string[]) {
  const started = start(['--port', '0', '--data', data(), ...args]);
  const line = await started.firstLine;
  const http = /^listening on (http:\/\/127\.0\.0\.1:\d+)$/.exec(line)?.[1] ?? '';
  expect(http, line).not.toBe('');
  const token = (name: string) => readFileSync(join(data(), `${name}.token`), 'utf8').trim();
  return { ...started, http, url: `${http.replace('http', 'ws')}/ws`, token };
}

describe('a start', () => {
  it('prints its address first, writes secrets with mode 0600, and logs to standard error only', async () => {
    const { child, ended, http } = await serve();
    expect((await fetch(`${http}/health`)).status).toBe(200);
    for (const name of ['admin.token', 'client.token', 'join.token', 'local.token', 'signing.key']) {
      expect(statSync(join(data(), name)).mode & 0o777, name).toBe(0o600);
    }
    expect(statSync(data()).mode & 0o777).toBe(0o700);
    child.kill('SIGTERM');
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(0);
    const [first, ...others] = stdout.trimEnd().split('\n');
    expect(first).toBe(`listening on ${http}`);
    const tokens = ['admin', 'client', 'join', 'local'].map((name) => join(data(), `${name}.token`)).join(', ');
    expect(others.pop()).toBe(`wrote new tokens: ${tokens}`);
    // Where the dashboard is built, the way into it.
    const dashboard = `dashboard, signs in once within 10 minutes: ${http}/#signin=`;
    expect(others.map((line) => line.replace(/=[\w-]{32}$/, '='))).toEqual(others.length > 0 ? [dashboard] : []);
    for (const line of stderr.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ level: expect.any(Number) });
    for (const name of ['admin', 'client', 'join', 'local']) {
      expect(stdout + stderr).not.toContain(readFileSync(join(data(), `${name}.token`), 'utf8').trim());
    }
  });

  it('keeps its tokens the second time, and makes anew only what is missing', async () => {
    const first = await serve();
    first.child.kill('SIGTERM');
    await first.ended;
    const before = first.token('admin');
    rmSync(join(data(), 'client.token'));
    const second = await serve();
    expect(second.token('admin')).toBe(before);
    const client = await Peer.client(second.url, second.token('client'));
    await client.close();
    second.child.kill('SIGTERM');
    expect((await second.ended).stdout).toContain(`wrote new tokens: ${join(data(), 'client.token')}\n`);
  });
});

describe('a start that cannot be', () => {
  it('on a taken port ends with 3 and names the port and the remedy', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    try {
      const { code, stdout, stderr } = await run(['--port', String(port), '--data', data()]);
      expect(code).toBe(3);
      expect(stdout).toBe('');
      expect(stderr).toContain(
        `rma-coordinator: port ${port} on 127.0.0.1 is taken; choose another with --port, or 0 for a free one`,
      );
    } finally {
      server.close();
    }
  });

  it('on a data directory in use ends with 3 and says by whom', async () => {
    const first = await serve();
    const { code, stderr } = await run(['--port', '0', '--data', data()]);
    expect(code).toBe(3);
    expect(stderr).toContain(`is in use by process ${first.child.pid} on `);
    expect(stderr).toContain('--data');
    expect((await fetch(`${first.http}/health`)).status).toBe(200);
    first.child.kill('SIGKILL');
    await first.ended;
    // The lock goes with its holder, however that ended.
    const { child, ended } = await serve();
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });

  it('with a damaged signing key says which file, and what to do', async () => {
    const first = await serve();
    first.child.kill('SIGTERM');
    await first.ended;
    writeFileSync(join(data(), 'signing.key'), 'short');
    const { code, stderr } = await run(['--port', '0', '--data', data()]);
    expect(code).toBe(1);
    expect(stderr).toContain(`${join(data(), 'signing.key')} is damaged: restore it`);
  });

  it('with a data directory that is a file says so', async () => {
    writeFileSync(data(), 'not a directory');
    const { code, stderr } = await run(['--port', '0', '--data', data()]);
    expect(code).toBe(1);
    expect(stderr).toContain(data());
  });
});

describe('settings', () => {
  const printed = async (args: readonly string[], environment?: Record<string, string>) => {
    const { code, stdout, stderr } = await run([...args, '--print-config'], environment);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    return parse(stdout) as Record<string, unknown>;
  };

  it('come from flags before the environment before the file before defaults', async () => {
    const file = join(directory, 'rma.yaml');
    writeFileSync(
      file,
      'port: 1111\nhost: 10.0.0.1\nresult-days: 3\nallowed-origin: [https://a.example, https://b.example]\n',
    );
    const environment = { RMA_CONFIG: file, RMA_PORT: '2222', RMA_HOST: '10.0.0.2' };
    const config = await printed(['--port', '3333'], environment);
    expect(config).toMatchObject({
      port: 3333,
      host: '10.0.0.2',
      'result-days': 3,
      'allowed-origin': ['https://a.example', 'https://b.example'],
      transport: 'auto',
      synchronous: 'FULL',
    });
    expect(existsSync(data())).toBe(false);
  });

  it('print as a file that gives the same again', async () => {
    const args = ['--port', '7', '--trust-proxy', '--allowed-origin', 'https://a.example', '--print-config'];
    const { stdout } = await run(args);
    const file = join(directory, 'printed.yaml');
    writeFileSync(file, stdout);
    expect(await printed(['--config', file])).toEqual(parse(stdout));
  });

  it('that are wrong end with 2 and one line that names the source', async () => {
    const { code, stdout, stderr } = await run(['--port', 'http', '--data', data()]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/--port: expected a whole number from 0 to 65535, got 'http'/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('write the join token to a second place, for its owner alone, at every start', async () => {
    const copy = join(directory, 'copy.token');
    for (const _ of ['first start', 'second start']) {
      const { child, ended, token } = await serve('--join-token-file', copy);
      expect(readFileSync(copy, 'utf8').trim()).toBe(token('join'));
      expect(statSync(copy).mode & 0o777).toBe(0o600);
      child.kill('SIGTERM');
      await ended;
      rmSync(copy);
    }
    const { code, stderr } = await run(['--port', '0', '--data', data(), '--join-token-file', '/no/such/folder/x']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/join\.token cannot be copied to \/no\/such\/folder\/x: .*folder must exist/);
  });

  it('are all in the help', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const { flag } of Object.values(SETTINGS)) expect(stdout).toContain(`--${flag}`);
    expect(stdout).toContain('Examples:');
  });

  it('unknown as flags are refused with a hint', async () => {
    const { code, stderr } = await run(['--prot', '1']);
    expect(code).not.toBe(0);
    expect(stderr).toContain('--port');
  });
});

describe.each(needs('uws').skip ? ['ws'] : ['uws', 'ws'])('a stop over %s', (transport) => {
  it('on SIGTERM sends every peer a goodbye, commits, and ends within 5 s with nothing left', async () => {
    const { child, ended, url, http, token } = await serve('--transport', transport);
    const client = await Peer.client(url, token('client'));
    const { peer: worker } = await Peer.worker(url, token('join'), workerHello());
    const task = echoTask('kept');
    client.send({ type: 'submit', tasks: [task], watch: true });
    await worker.waitFor('dispatch');
    const waiting = fetch(`${http}/api/tasks/${task.id}?wait=60`, {
      headers: { authorization: `Bearer ${token('client')}` },
    });
    // It is there once it has a session of its own.
    await eventually(async () => {
      expect(await client.ask({ type: 'query', query: { what: 'stats' } })).toMatchObject({ sessions: { client: 2 } });
    });
    // The last: it is not waited for long.
    const greeting = await Peer.dial(url);
    const startedAt = performance.now();
    child.kill('SIGTERM');
    for (const peer of [client, worker, greeting]) {
      expect(await peer.waitFor('goodbye')).toMatchObject({
        reason: 'going_away',
        reconnectAfterMs: expect.any(Number),
      });
      expect(await peer.closed).toEqual({ code: 1001, reason: 'going_away' });
    }
    const answer = await waiting;
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('5');
    expect((await ended).code).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(wallLimit(5_000));
    await expect(fetch(`${http}/health`)).rejects.toThrow();
    expect(readdirSync(data()).filter((name) => /-(wal|shm|journal)$|\.tmp$/.test(name))).toEqual([]);
  });

  it('ends in time though a peer reads nothing and does not go', async () => {
    const { child, ended, url, token } = await serve('--transport', transport);
    const deaf = await Peer.client(url, token('client'));
    deaf.pause();
    const startedAt = performance.now();
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(wallLimit(6_000));
    await deaf.kill();
  });

  it('a second signal ends it at once', async () => {
    const { child, ended, url, token } = await serve('--transport', transport);
    const deaf = await Peer.client(url, token('client'));
    deaf.pause();
    child.kill('SIGINT');
    child.kill('SIGTERM');
    await ended;
    await deaf.kill();
    const again = await serve('--transport', transport);
    again.child.kill('SIGTERM');
    expect((await again.ended).code).toBe(0);
  });
});
