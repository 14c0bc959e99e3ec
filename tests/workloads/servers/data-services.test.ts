/** PostgreSQL and Redis as services of a worker, with the machine's own servers. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PostgresOutput } from '@rma/workloads/postgres/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { needs } from '../../support/needs.js';
import { Harness, isAlive, untilGone } from '../host/runtime-harness.js';
import { startAgentLikeProcess } from './agent-like-process.js';

let folder: string;
let dataDir: string;
let harness: Harness | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rma-data-'));
  // As root the servers run as another user, who has to get here.
  chmodSync(folder, 0o711);
  dataDir = join(folder, 'data');
  mkdirSync(dataDir, { mode: 0o711 });
});

afterEach(async () => {
  await harness?.stop();
  harness = undefined;
  await vi.waitFor(() => expect(processesIn(folder)).toEqual([]), { timeout: 8_000, interval: 50 });
  rmSync(folder, { recursive: true });
});

async function start(workload: string): Promise<Harness> {
  harness = new Harness({ workloads: [workload], dataDir });
  await harness.start();
  await vi.waitFor(() => expect(harness?.service(workload)).toMatchObject({ state: 'healthy' }), {
    timeout: 60_000,
    interval: 50,
  });
  return harness;
}

const sql = async (pool: Harness, text: string, params: unknown[] = []) =>
  (await pool.output('postgres.query', { sql: text, params })) as PostgresOutput;

describe('postgres by the machine’s own server', needs('postgres'), () => {
  it('answers queries with parameters, JSON, bytes and dates', async () => {
    const pool = await start('postgres');
    expect(pool.service('postgres').reason).toMatch(/^PostgreSQL \d+/);
    await sql(pool, 'CREATE TABLE t (id int PRIMARY KEY, data jsonb, raw bytea, at timestamptz)');
    const values = [1, { k: [1] }, new Uint8Array([0, 255]), '2026-01-02T03:04:05Z'];
    expect(await sql(pool, 'INSERT INTO t VALUES ($1, $2, $3, $4)', values)).toMatchObject({
      count: 1,
      command: 'INSERT',
    });
    const { rows } = await sql(pool, 'SELECT * FROM t WHERE id = $1', [1]);
    expect(rows).toEqual([{ id: 1, data: { k: [1] }, raw: new Uint8Array([0, 255]), at: '2026-01-02T03:04:05.000Z' }]);
  }, 90_000);

  it('keeps the pool’s role away from the machine, cuts long answers, and cancels on time', async () => {
    const pool = await start('postgres');
    const refused = await pool.failure('postgres.query', { sql: "COPY (SELECT 1) TO PROGRAM 'id'" });
    expect(refused).toMatchObject({
      code: 'postgres.error',
      retryable: false,
      message: expect.stringContaining('42501'),
    });
    expect(await sql(pool, 'SELECT generate_series(1, 1000000)')).toMatchObject({ count: 10_000, truncated: true });
    expect(await pool.failure('postgres.query', { sql: 'SELECT pg_sleep(60)' }, 500)).toMatchObject({
      code: 'timeout',
    });
    await eventually(async () => {
      const { rows } = await sql(
        pool,
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()",
      );
      expect(rows).toEqual([{ n: 0 }]);
    });
    expect(statSync(join(dataDir, 'postgres.password')).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, 'postgres')).mode & 0o777).toBe(0o700);
  }, 90_000);

  it('comes back by itself after a kill -9, with what was committed', async () => {
    const pool = await start('postgres');
    await sql(pool, 'CREATE TABLE kept (id int)');
    await sql(pool, 'INSERT INTO kept VALUES (7)');
    const [postmaster] = readFileSync(join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8').split('\n');
    process.kill(Number(postmaster), 'SIGKILL');
    await pool.until('postgres', 'unhealthy');
    await pool.until('postgres', 'healthy');
    expect((await sql(pool, 'SELECT * FROM kept')).rows).toEqual([{ id: 7 }]);
  }, 90_000);

  it('ends with an agent that is killed, and serves its data to the next', async () => {
    const agent = await startAgentLikeProcess(dataDir, 'postgres');
    const [postmaster] = readFileSync(join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8').split('\n');
    expect(isAlive(Number(postmaster))).toBe(true);
    agent.kill('SIGKILL');
    const pool = await start('postgres');
    await untilGone(Number(postmaster));
    expect((await sql(pool, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  }, 120_000);
});

describe('redis by the machine’s own server', needs('redis'), () => {
  it('runs commands, with bytes and errors, and without those that reach beyond the data', async () => {
    const pool = await start('redis');
    const reply = async (...args: unknown[]) =>
      ((await pool.output('redis.command', { args })) as { reply: unknown }).reply;
    expect(await reply('SET', 'k', new Uint8Array([0, 255]))).toBe('OK');
    expect(await reply('GET', 'k')).toEqual(new Uint8Array([0, 255]));
    expect(await reply('RPUSH', 'l', 'a', 'é', 3)).toBe(3);
    expect(await reply('LRANGE', 'l', 0, -1)).toEqual(['a', 'é', '3']);
    expect(await reply('GET', 'none')).toBeNull();
    expect(await reply('GET', 'k'.repeat(10))).toBeNull();
    for (const args of [['CONFIG', 'SET', 'dir', '/tmp'], ['DEBUG', 'SLEEP', '0'], ['SHUTDOWN'], ['MODULE', 'LIST']]) {
      expect(await pool.failure('redis.command', { args })).toMatchObject({ code: 'redis.error', retryable: false });
    }
    expect(await pool.failure('redis.command', { args: ['MONITOR'] })).toMatchObject({ code: 'input.invalid' });
    expect(await pool.failure('redis.command', { args: ['BLPOP', 'nothing', 0] }, 300)).toMatchObject({
      code: 'timeout',
    });
  }, 60_000);

  it('reads large replies, and refuses what is too large', async () => {
    const pool = await start('redis');
    const large = 'x'.repeat(4_000_000);
    await pool.output('redis.command', { args: ['SET', 'large', large] });
    expect(await pool.output('redis.command', { args: ['GET', 'large'] })).toEqual({ reply: large });
    const failure = await pool.failure('redis.command', { args: ['EVAL', "return string.rep('x', 20000000)", 0] });
    expect(failure.message).toContain('ask for less');
  }, 60_000);

  it('comes back by itself after a kill -9, with every acknowledged write', async () => {
    const pool = await start('redis');
    await pool.output('redis.command', { args: ['SET', 'kept', 'yes'] });
    process.kill(Number(readFileSync(join(dataDir, 'redis/redis.pid'), 'utf8')), 'SIGKILL');
    await pool.until('redis', 'unhealthy');
    await pool.until('redis', 'healthy');
    expect(await pool.output('redis.command', { args: ['GET', 'kept'] })).toEqual({ reply: 'yes' });
  }, 60_000);

  it('ends with an agent that is killed', async () => {
    const agent = await startAgentLikeProcess(dataDir, 'redis');
    const pid = Number(readFileSync(join(dataDir, 'redis/redis.pid'), 'utf8'));
    expect(isAlive(pid)).toBe(true);
    agent.kill('SIGKILL');
    await untilGone(pid);
  }, 60_000);
});

describe('a machine without a server of its own', () => {
  const path = process.env.PATH;
  afterEach(() => {
    process.env.PATH = path;
  });

  it('says that redis-server is missing and what to do', async () => {
    process.env.PATH = '/nowhere';
    harness = new Harness({ workloads: ['redis'], dataDir });
    await harness.start();
    expect((await harness.until('redis', 'unhealthy')).reason).toContain('apt-get install redis-server');
    expect(await harness.failure('redis.command', { args: ['PING'] })).toMatchObject({ retryable: true });
  });

  it('serves PostgreSQL by PGlite, and stays with it', async () => {
    mkdirSync(join(dataDir, 'pglite', 'cluster'), { recursive: true, mode: 0o700 });
    const pool = await start('postgres');
    expect(pool.service('postgres').reason).toBe('PGlite');
    await sql(pool, 'CREATE TABLE kept (id int, data jsonb)');
    await sql(pool, 'INSERT INTO kept VALUES ($1, $2)', [7, { a: 1 }]);
    await pool.stop();
    const again = await start('postgres');
    expect((await sql(again, 'SELECT * FROM kept')).rows).toEqual([{ id: 7, data: { a: 1 } }]);
  }, 180_000);
});

/** What still runs with this folder in its command line. */
function processesIn(directory: string): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        const line = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return line.includes(directory) ? [line] : [];
      } catch (error) {
        if (error instanceof Error && 'code' in error) return [];
        throw error;
      }
    });
}
