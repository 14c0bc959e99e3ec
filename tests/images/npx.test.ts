/** A donor's first minute: the printed line, run in an empty directory, with npx and nothing of the project installed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { connect } from '@rma/client';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { endAll, rma } from '../client/support/rma.js';
import { needs } from '../support/needs.js';
import { usePool } from '../support/pool.js';
import { docker, MARK, removeAll } from './support/docker.js';

const pool = usePool();
let directory: string;
let donor: ChildProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rma-npx-'));
});
afterEach(async () => {
  endAll();
  if (donor?.pid !== undefined && donor.exitCode === null) {
    const ended = new Promise((resolve) => donor?.once('close', resolve));
    process.kill(-donor.pid, 'SIGTERM');
    await ended;
  }
  donor = undefined;
  rmSync(directory, { recursive: true, maxRetries: 5 });
});

const online = () =>
  vi.waitFor(
    async () => {
      const health = await (await fetch(`${pool.coordinator.http}/health`)).json();
      expect(health).toMatchObject({ workers: { online: 1 } });
    },
    { timeout: 200_000, interval: 250 },
  );

async function joinLine(...args: string[]): Promise<string> {
  const address = ['--url', pool.coordinator.http, '--token', pool.coordinator.token('admin')];
  const { status, out, err } = await rma(['join-command', ...args, ...address]);
  expect({ status, err: status === 0 ? '' : err }).toEqual({ status: 0, err: '' });
  return out.trim();
}

/** The pool's one worker does a task. */
async function works(): Promise<void> {
  const client = connect({ url: pool.coordinator.http, token: pool.coordinator.token('client') });
  try {
    expect(await client.submit('echo', { hello: 'donor' }).output()).toEqual({ hello: 'donor' });
  } finally {
    await client.close();
  }
}

it(`joins from an empty directory with npx on Node ${process.versions.node}, and compiles nothing`, {
  timeout: 300_000,
  ...needs('npmRegistry'),
}, async () => {
  const empty = join(directory, 'empty');
  const cache = join(directory, 'cache');
  mkdirSync(empty);
  const line = await joinLine('--node', '--name', "donor's pc");
  let said = '';
  donor = spawn('sh', ['-c', line], {
    cwd: empty,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      HOME: empty,
      XDG_STATE_HOME: join(directory, 'state'),
      npm_config_cache: cache,
      // The registry is the machine's own; compilers are not there.
      ...Object.fromEntries(
        Object.entries(process.env).filter(([name]) => /^(NODE_EXTRA_CA_CERTS|npm_config_registry)$/i.test(name)),
      ),
      ...Object.fromEntries(['CC', 'CXX', 'npm_config_python', 'PYTHON', 'MAKE'].map((name) => [name, '/bin/false'])),
    },
  });
  for (const stream of [donor.stdout, donor.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  await online().catch((error: unknown) => {
    throw new Error(`it did not join: ${said}`, { cause: error });
  });
  await works();
  expect(readdirSync(empty).filter((name) => !name.startsWith('.'))).toEqual([]);
  const [installed = ''] = readdirSync(join(cache, '_npx'));
  const names = readdirSync(join(cache, '_npx', installed, 'node_modules'));
  expect(names).toContain('rma-worker');
  expect(names.filter((name) => name.startsWith('better-sqlite3-node20'))).toEqual([]);
});

it('joins on Node 24 in a container that has no compiler, no git and no project', {
  timeout: 300_000,
  ...(needs('npmRegistry').skip ? { skip: true } : needs('nodeImage')),
}, async () => {
  const line = await joinLine('--node');
  const name = `${MARK}-donor`;
  try {
    await docker(
      ...[
        'run',
        '-d',
        '--name',
        name,
        '--network',
        'host',
        '--user',
        'node',
        '-w',
        '/home/node',
        '-e',
        'HOME=/home/node',
      ],
      ...['node:24-trixie-slim', 'sh', '-c', line],
    );
    await online().catch(async (error: unknown) => {
      throw new Error(`it did not join: ${await docker('logs', name)}`, { cause: error });
    });
    await works();
  } finally {
    await removeAll();
  }
});
