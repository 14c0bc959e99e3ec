/** `npm start`'s supervision, with real processes: small programs that keep the contract of the two bins. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { readable } from '../../scripts/log-lines.mjs';
import { type Pool, reachable, supervise } from '../../scripts/supervise.mjs';

const supervisor = fileURLToPath(new URL('../../scripts/supervise.mjs', import.meta.url));
const exitWithParent = fileURLToPath(new URL('../../scripts/exit-with-parent.mjs', import.meta.url));

let dir: string;
let running: ReturnType<typeof supervise> | undefined;
let lines: string[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rma-start-'));
  lines = [];
});

afterEach(async () => {
  running?.kill();
  await running?.done;
  running = undefined;
  for (const pid of pids()) expect(isAlive(pid), `process ${pid} is left`).toBe(false);
  rmSync(dir, { recursive: true });
});

/** A program that notes its pid, says `first`, and on SIGTERM says `bye` and goes. */
function program(name: string, first: string, onTerm = `console.log('bye ${name}'); process.exit(0)`): string {
  const path = join(dir, `${name}.mjs`);
  writeFileSync(
    path,
    `import { appendFileSync } from 'node:fs';
     appendFileSync(${JSON.stringify(join(dir, 'pids'))}, process.pid + '\\n');
     process.on('SIGTERM', () => { ${onTerm} });
     setInterval(() => {}, 1000);
     ${first}`,
  );
  return path;
}

const serves = `console.error('opening the database'); console.log('listening on http://0.0.0.0:4711');`;
const works = `console.log('dialling ' + process.argv.slice(2).join(' '));`;

function pids(): number[] {
  const path = join(dir, 'pids');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').map(Number) : [];
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function start(pool: Partial<Pool> & Pick<Pool, 'coordinator'>): ReturnType<typeof supervise> {
  running = supervise({
    worker: (url) => [program('worker', works), '--url', url],
    onListening: (url) => lines.push(`up ${url}`),
    onLine: (source, line) => lines.push(`${source}: ${line}`),
    ...pool,
  });
  return running;
}

async function seen(line: string, times = 1): Promise<void> {
  await vi.waitFor(() => expect(lines.filter((each) => each === line)).toHaveLength(times), {
    timeout: 10_000,
    interval: 10,
  });
}

it('starts the worker once the coordinator serves, with an address that can be dialled', async () => {
  start({ coordinator: [program('coordinator', serves)] });
  await seen('worker: dialling --url http://127.0.0.1:4711');
  expect(lines).toContain('coordinator: opening the database');
  expect(lines.indexOf('up http://127.0.0.1:4711')).toBeGreaterThanOrEqual(0);
});

it('stops the worker, then the coordinator, and exits with 0', async () => {
  const pool = start({ coordinator: [program('coordinator', serves)] });
  await seen('worker: dialling --url http://127.0.0.1:4711');
  pool.stop();
  expect(await pool.done).toBe(0);
  expect(lines.slice(-2)).toEqual(['worker: bye worker', 'coordinator: bye coordinator']);
});

it('exits with the status and the last line of a coordinator that cannot start', async () => {
  const taken = `console.error('port 8080 is taken'); process.exit(3);`;
  const pool = start({ coordinator: [program('coordinator', taken)] });
  expect(await pool.done).toBe(3);
  expect(lines).toEqual(['coordinator: port 8080 is taken']);
});

it('stops the worker when the coordinator dies, and exits as it did', async () => {
  const pool = start({ coordinator: [program('coordinator', serves)] });
  await seen('worker: dialling --url http://127.0.0.1:4711');
  process.kill(pids()[0] ?? 0, 'SIGKILL');
  expect(await pool.done).toBe(137);
});

it('starts a worker again that died, each time a little later, and says so', async () => {
  const dies = [program('worker', `process.exit(7);`)];
  start({ coordinator: [program('coordinator', serves)], worker: () => dies, firstRestartMs: 10 });
  await seen('start: the worker exited with status 7; starting it again in 0.01 s');
  await seen('start: the worker exited with status 7; starting it again in 0.02 s');
  await seen('start: the worker exited with status 7; starting it again in 0.04 s');
});

it('kills what does not stop in time', async () => {
  const stubborn = [program('coordinator', serves, '')];
  const pool = start({ coordinator: stubborn, worker: undefined, stopGraceMs: 50 });
  await seen('up http://127.0.0.1:4711');
  pool.stop();
  expect(await pool.done).toBe(0);
  expect(lines.at(-1)).toBe('start: the coordinator did not stop within 0.05 s: killing it');
});

it('leaves no process behind when it is killed itself', async () => {
  const main = join(dir, 'main.mjs');
  const [coordinator, worker] = [program('coordinator', serves), program('worker', works)];
  writeFileSync(
    main,
    `import { supervise } from ${JSON.stringify(supervisor)};
     supervise({ coordinator: [${JSON.stringify(coordinator)}], worker: () => [${JSON.stringify(worker)}],
       onListening() {}, onLine() {} });`,
  );
  const parent = spawn(process.execPath, [main], { stdio: 'ignore' });
  await vi.waitFor(() => expect(pids()).toHaveLength(2), { timeout: 10_000, interval: 10 });
  parent.kill('SIGKILL');
  await vi.waitFor(() => expect(pids().filter(isAlive)).toEqual([]), { timeout: 10_000, interval: 10 });
});

it('a program run by exit-with-parent sees its own name and arguments, and ends when its work is done', async () => {
  const echo = join(dir, 'echo.mjs');
  writeFileSync(echo, `process.stdout.write(JSON.stringify([process.argv.slice(1), process.execArgv]));`);
  const child = spawn(process.execPath, [exitWithParent, echo, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += String(chunk);
  });
  await new Promise((resolve) => child.once('close', resolve));
  expect(JSON.parse(output)).toEqual([[echo, '--port', '0'], []]);
});

it.each([
  ['http://0.0.0.0:8080', 'http://127.0.0.1:8080'],
  ['http://[::]:8080/', 'http://127.0.0.1:8080'],
  ['http://192.0.2.7:80', 'http://192.0.2.7:80'],
])('dials %s as %s', (address, dialled) => {
  expect(reachable(address)).toBe(dialled);
});

it('shows structured log lines as people read them, and leaves others alone', () => {
  const time = new Date(2025, 0, 2, 3, 4, 5).getTime();
  const line = JSON.stringify({
    level: 40,
    time,
    pid: 7,
    hostname: 'h',
    worker: 'w-3',
    err: { message: 'gone' },
    msg: 'lost',
  });
  expect(readable(line)).toBe('03:04:05 warn lost worker=w-3 err="gone"');
  expect(readable('{"level": not json')).toBe('{"level": not json');
});
