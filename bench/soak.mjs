/**
 * `node bench/soak.mjs [--rate N] [--minutes N] [--retention-seconds N]`: whether a pool stays as it is. A steady stream of tasks
 * (bench/peers/load.mjs) on a coordinator that keeps results for a short time only; every ten seconds one line with the rate, the
 * bytes of the database and the resident memory. Both must be flat once twice the retention has passed: fails where one grew
 * by more than a tenth since then.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    rate: { type: 'string', default: '2000' },
    minutes: { type: 'string', default: '20' },
    'retention-seconds': { type: 'string', default: '120' },
    workers: { type: 'string', default: '300' },
    /** In a process of its own: the coordinator on this directory. */
    coordinator: { type: 'string' },
  },
});
const retentionMs = Number(options['retention-seconds']) * 1_000;
const LINE_MS = 10_000;
const MAY_GROW = 1.1;
const MIB = 1_048_576;

/** Short retentions are no setting of the command: a coordinator by its function. */
async function serve(data) {
  const { startCoordinator } = await import('@rma/server/coordinator');
  const { DEFAULT_SOCKET_SETTINGS } = await import('@rma/server/socket/connections');
  const { pino } = await import('pino');
  const { port } = await startCoordinator({
    host: '127.0.0.1',
    port: 0,
    data,
    transport: 'auto',
    synchronous: 'FULL',
    trustProxy: false,
    reserveBytes: 16 * MIB,
    eventsKept: 2_000_000,
    eventsKeptMs: retentionMs,
    core: { retentionMs },
    socket: DEFAULT_SOCKET_SETTINGS,
    version: 'bench',
    log: pino({ level: 'warn' }),
    fatal: (error) => {
      throw error;
    },
  });
  process.send({ port });
}

async function run() {
  const data = mkdtempSync(join(tmpdir(), 'rma-soak-'));
  const here = (name) => fileURLToPath(new URL(name, import.meta.url));
  const start = (file, args) => fork(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const args = ['--coordinator', data, '--retention-seconds', options['retention-seconds']];
  const coordinator = start(here('soak.mjs'), args);
  const children = [coordinator];
  try {
    const [{ port }] = await once(coordinator, 'message');
    const load = start(here('peers/load.mjs'), [String(port), data]);
    children.push(load);
    await once(load, 'message');
    load.send({ join: Number(options.workers) });
    await once(load, 'message');
    load.send({ tasksPerSecond: Number(options.rate) });
    return await watch(data, coordinator.pid, load);
  } finally {
    for (const child of children) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    rmSync(data, { recursive: true, force: true });
  }
}

const sizeOf = (file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
const residentBytes = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1_024;

/** @returns whether both were flat */
async function watch(data, pid, load) {
  const began = performance.now();
  const settled = [];
  /** More than the workers hold: the machine is too slow for the rate, and the queue is what grows. */
  let open = 0;
  while (performance.now() - began < Number(options.minutes) * 60_000) {
    const at = performance.now();
    await new Promise((resolve) => setTimeout(resolve, LINE_MS));
    load.send({ count: true });
    const [{ submitted, ended }] = await once(load, 'message');
    open += submitted - ended;
    const rate = Math.round((ended / (performance.now() - at)) * 1_000);
    const seconds = (performance.now() - began) / 1_000;
    const file = join(data, 'pool.db');
    const now = { database: sizeOf(file) + sizeOf(`${file}-wal`), resident: residentBytes(pid) };
    const mib = ({ database, resident }) =>
      `${(database / MIB).toFixed(1)} MiB on disk, ${(resident / MIB).toFixed(1)} MiB resident`;
    process.stdout.write(`${seconds.toFixed(0)} s: ${rate} tasks/s, ${open} open, ${mib(now)}\n`);
    if (seconds * 1_000 > 2 * retentionMs) settled.push(now);
  }
  return ['database', 'resident'].every((what) => {
    const grew = settled.at(-1)[what] / settled[0][what];
    process.stdout.write(`${what}: x ${grew.toFixed(3)} since twice the retention had passed\n`);
    return grew <= MAY_GROW;
  });
}

if (options.coordinator !== undefined) await serve(options.coordinator);
else if (!(await run())) process.exitCode = 1;
