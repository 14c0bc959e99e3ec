/**
 * One task end to end: submit, dispatch, a no-op, the result at the submitter. The pool (every step on disk before it
 * is acknowledged) beside the relay that keeps nothing (the limit), the same with each turn on disk, and BullMQ where Redis is
 * installed, in interleaved rounds of one run: read the ratios, machines differ.
 */
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    tasks: { type: 'string', default: '50000' },
    rounds: { type: 'string', default: '3' },
    'in-flight': { type: 'string', default: '64' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    synchronous: { type: 'string', default: 'FULL' },
    profile: { type: 'boolean', default: false },
  },
});
if (options.help) {
  process.stdout.write(
    `npm run bench -- [--tasks N] [--rounds N] [--in-flight N] [--only relay,relay+sync,pool,sdk,bullmq] [--synchronous FULL|NORMAL] [--json]\n`,
  );
  process.exit(0);
}
const tasks = Number(options.tasks);
const rounds = Number(options.rounds);
const inFlight = Number(options['in-flight']);
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const peer = (name) => here(`peers/${name}`);
const running = new Set();

function start(child) {
  running.add(child);
  child.on('exit', () => running.delete(child));
  return child;
}

async function forkReady(file, args) {
  const child = start(fork(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' }));
  await once(child, 'message');
  return child;
}

/** Waits for a line on standard output, and goes on reading so that the pipe stays open. */
async function lineOf(child, wanted = /./) {
  let text = '';
  return new Promise((resolve) => {
    child.stdout.on('data', (part) => {
      text += part;
      const line = text.split('\n').find((candidate) => wanted.test(candidate));
      if (line !== undefined && text.includes('\n')) resolve(line);
    });
  });
}

async function measure(producer, count, inFlight) {
  producer.send({ tasks: count, inFlight });
  const [figures] = await once(producer, 'message');
  return figures;
}

async function stopAll() {
  const children = [...running];
  for (const child of children) child.kill('SIGTERM');
  await Promise.all(
    children.map((child) => (child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined)),
  );
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function startCoordinator(data) {
  const bin = fileURLToPath(new URL('../server/bin/rma-coordinator.js', import.meta.url));
  const node = options.profile ? ['--cpu-prof', '--cpu-prof-dir=bench-profile'] : [];
  const args = [
    ...node,
    bin,
    '--port',
    '0',
    '--data',
    data,
    '--log-level',
    'warn',
    '--synchronous',
    options.synchronous,
  ];
  const child = start(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }));
  const line = await lineOf(child);
  return /:(\d+)$/.exec(line)?.[1];
}

async function startPool(data, producer) {
  const port = await startCoordinator(data);
  await forkReady(peer('pool-peer.mjs'), ['worker', port, join(data, 'join.token')]);
  const token = join(data, 'client.token');
  return producer === 'sdk'
    ? forkReady(peer('sdk-producer.mjs'), [port, token])
    : forkReady(peer('pool-peer.mjs'), ['producer', port, token]);
}

async function startRelay(args) {
  const server = start(
    spawn(process.execPath, [peer('relay-server.mjs'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  const port = await lineOf(server);
  await forkReady(peer('relay-peer.mjs'), ['worker', port]);
  return forkReady(peer('relay-peer.mjs'), ['producer', port]);
}

const systems = {
  relay: () => startRelay([]),
  'relay+sync': (data) => startRelay([join(data, 'journal')]),
  pool: (data) => startPool(data, 'lean'),
  sdk: (data) => startPool(data, 'sdk'),
  bullmq: async (data) => {
    const port = String(await freePort());
    const flags = ['--port', port, '--dir', data, '--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
    const redis = start(spawn('redis-server', flags, { stdio: ['ignore', 'pipe', 'inherit'] }));
    await lineOf(redis, /Ready to accept/);
    await forkReady(peer('bullmq-peer.mjs'), ['worker', port]);
    return forkReady(peer('bullmq-peer.mjs'), ['producer', port]);
  },
};

/** CPU seconds that every running child has used; Linux only, elsewhere 0. Ticks are 10 ms there. */
function cpuSeconds() {
  let ticks = 0;
  if (process.platform !== 'linux') return 0;
  for (const { pid } of running) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    ticks += Number(stat[11]) + Number(stat[12]);
  }
  return ticks / 100;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function round(name) {
  const data = mkdtempSync(join(tmpdir(), 'rma-bench-'));
  try {
    const producer = await systems[name](data);
    const count = name === 'bullmq' ? Math.ceil(tasks / 10) : tasks;
    await measure(producer, Math.ceil(count / 4), inFlight);
    const cpuBefore = cpuSeconds();
    const many = await measure(producer, count, inFlight);
    const cpuMicros = ((cpuSeconds() - cpuBefore) / count) * 1e6;
    await measure(producer, 100, 1);
    const one = await measure(producer, Math.min(1_000, count), 1);
    return { tasksPerSecond: many.tasksPerSecond, cpuMicros, p50Ms: one.p50Ms, p99Ms: one.p99Ms };
  } finally {
    await stopAll();
    rmSync(data, { recursive: true, force: true });
  }
}

process.on('SIGINT', () => stopAll().then(() => process.exit(130)));
const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
const names = (options.only?.split(',') ?? Object.keys(systems)).filter((name) => name !== 'bullmq' || hasRedis);
if (!options.only && !hasRedis) process.stderr.write('redis-server is not installed: BullMQ is left out\n');
const figures = Object.fromEntries(names.map((name) => [name, []]));
for (let i = 1; i <= rounds; i++) {
  for (const name of names) {
    process.stderr.write(`round ${i} of ${rounds}: ${name}\n`);
    figures[name].push(await round(name));
  }
}
const result = names.map((name) => {
  const of = (key) => median(figures[name].map((figure) => figure[key]));
  return {
    system: name,
    tasksPerSecond: of('tasksPerSecond'),
    cpuMicros: of('cpuMicros'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
  };
});
const limit = result.find(({ system }) => system === 'relay');
const rows = result.map((row) => ({
  ...row,
  ofLimit: limit ? row.tasksPerSecond / limit.tasksPerSecond : null,
  p50OfLimit: limit ? row.p50Ms / limit.p50Ms : null,
}));
if (options.json)
  process.stdout.write(`${JSON.stringify({ node: process.version, cpu: cpus()[0]?.model, rows }, null, 2)}\n`);
else {
  process.stdout.write(
    `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}; 100-byte payloads, medians of ${rounds} rounds of ${tasks} tasks\n`,
  );
  process.stdout.write(
    `system${`tasks/s (${inFlight} in flight)`.padStart(27)}  of the limit   CPU a task, µs   p50 / p99 at 1, ms   p50 of the limit\n`,
  );
  for (const row of rows) {
    const ratio = row.ofLimit === null ? '-' : row.ofLimit.toFixed(2);
    const p50 = row.p50OfLimit === null ? '-' : row.p50OfLimit.toFixed(2);
    process.stdout.write(
      `${row.system.padEnd(11)}${Math.round(row.tasksPerSecond).toLocaleString('en').padStart(22)}${ratio.padStart(14)}${row.cpuMicros.toFixed(0).padStart(17)}${`${row.p50Ms.toFixed(2)} / ${row.p99Ms.toFixed(2)}`.padStart(21)}${p50.padStart(19)}\n`,
    );
  }
}
