/**
 * `node bench/dashboard.mjs [--minutes N] [--workers N] [--changes N]`: what the overview costs a browser and the
 * coordinator. A real coordinator with N real protocol peers as workers and a steady stream of real tasks (three changes
 * each: submitted, dispatched, ended); the page in a real Chromium, measured from outside by its own counters.
 *
 * Reported are the page's scripting and whole main thread in % of a core, its heap after forced collections and how fast it
 * grows (least squares), and the coordinator's CPU with ten attached dashboards against none, in turns in the same run.
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    workers: { type: 'string', default: '2000' },
    changes: { type: 'string', default: '5000' },
    dashboards: { type: 'string', default: '10' },
    'turn-seconds': { type: 'string', default: '20' },
    path: { type: 'string', default: '/' },
    profile: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  process.stdout.write(
    'node bench/dashboard.mjs [--minutes 5] [--workers 2000] [--changes 5000] [--dashboards 10] [--turn-seconds 20] [--path /] [--profile] [--json]\n' +
      'RMA_TEST_CHROMIUM names the browser, /usr/bin/chromium otherwise.\n',
  );
  process.exit(0);
}
const workers = Number(options.workers);
const changes = Number(options.changes);
const dashboards = Number(options.dashboards);
const minutes = Number(options.minutes);
const turnMs = Number(options['turn-seconds']) * 1_000;
/** Submitted, dispatched, ended. */
const CHANGES_OF_A_TASK = 3;
const WARM_UP_MS = 20_000;
const HEAP_EVERY_MS = 15_000;
const TURNS = 3;
const WIDTH = 1_440;
const HEIGHT = 900;
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const say = (text) => process.stderr.write(`${text}\n`);

const data = mkdtempSync(join(tmpdir(), 'rma-bench-'));
const children = new Set();
let browser;

async function startCoordinator() {
  const bin = here('../server/bin/rma-coordinator.js');
  const child = spawn(process.execPath, [bin, '--port', '0', '--data', data, '--log-level', 'warn'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  let text = '';
  for await (const part of child.stdout) {
    text += part;
    const port = /:(\d+)\s/.exec(text)?.[1];
    if (port === undefined) continue;
    child.stdout.resume();
    return { child, port };
  }
  throw new Error('the coordinator did not start; is it built (`npm run build`)?');
}

async function startPeers(file, port) {
  const child = fork(here(`peers/${file}`), [port, data], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.add(child);
  await once(child, 'message');
  return child;
}

async function ask(child, message) {
  child.send(message);
  const settled = new AbortController();
  const { signal } = settled;
  const [answer] = await Promise.race([once(child, 'message', { signal }), once(child, 'exit', { signal })]);
  settled.abort();
  if (typeof answer !== 'object' || answer === null)
    throw new Error(`a peer ended in the middle of the run (${answer})`);
  return answer;
}

/** Seconds of CPU that a process has used. */
function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(stat[11]) + Number(stat[12])) / 100;
}

/** % of a core that the coordinator uses over some time. */
async function cpuOf(pid, ms) {
  const before = cpuSeconds(pid);
  const from = performance.now();
  await sleep(ms);
  return ((cpuSeconds(pid) - before) / ((performance.now() - from) / 1_000)) * 100;
}

const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

/** MB a minute: the slope of a line through what was measured. */
function slope(points) {
  const x = mean(points.map(([at]) => at));
  const y = mean(points.map(([, value]) => value));
  const over = points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0);
  return over / points.reduce((sum, [at]) => sum + (at - x) ** 2, 0);
}

async function openPage(url) {
  browser = await chromium.launch({
    executablePath: process.env.RMA_TEST_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
  const context = await browser.newContext({ viewport: { width: WIDTH, height: HEIGHT }, baseURL: url });
  const token = readFileSync(join(data, 'admin.token'), 'utf8').trim();
  const response = await context.request.post('/api/session', { data: { token }, headers: { origin: url } });
  if (!response.ok()) throw new Error(`signing in: ${response.status()}`);
  const page = await context.newPage();
  page.on('pageerror', (error) => say(`the page threw: ${error.stack ?? error.message}`));
  await page.goto(options.path);
  const devtools = await context.newCDPSession(page);
  // The time that the thread worked, not the time that passed while it did: other load on the machine does not count.
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  await devtools.send('HeapProfiler.enable');
  return { page, devtools };
}

async function metrics(devtools) {
  const { metrics: list } = await devtools.send('Performance.getMetrics');
  return Object.fromEntries(list.map(({ name, value }) => [name, value]));
}

/** Bytes that are in use once all that is garbage is gone. */
async function heapBytes(devtools) {
  await devtools.send('HeapProfiler.collectGarbage');
  return (await metrics(devtools)).JSHeapUsedSize;
}

const countFrames = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        let frames = 0;
        const from = performance.now();
        const next = () => {
          frames++;
          const ms = performance.now() - from;
          if (ms < 3_000) requestAnimationFrame(next);
          else resolve((frames / ms) * 1_000);
        };
        requestAnimationFrame(next);
      }),
  );

/** The functions that the page spends most of its time in. */
async function profileOf(devtools) {
  await devtools.send('Profiler.enable');
  await devtools.send('Profiler.start');
  await sleep(10_000);
  const { profile } = await devtools.send('Profiler.stop');
  const own = new Map();
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  profile.samples.forEach((id, i) => {
    const { functionName, url, lineNumber } = nodes.get(id).callFrame;
    const name = `${functionName || '(anonymous)'} ${url.split('/').at(-1)}:${lineNumber}`;
    own.set(name, (own.get(name) ?? 0) + profile.timeDeltas[i] / 1_000);
  });
  const top = [...own].sort(([, a], [, b]) => b - a).slice(0, 30);
  for (const [name, ms] of top) say(`${ms.toFixed(0).padStart(8)} ms  ${name}`);
}

/** Coordinator's CPU with the dashboards and without, in turns, so that a drift of the machine counts for both. */
async function compareCoordinator(pid, port) {
  const subscribers = await startPeers('subscribers.mjs', port);
  const without = [];
  const withThem = [];
  let updates = 0;
  for (let turn = 0; turn < TURNS; turn++) {
    await ask(subscribers, { attach: 0 });
    await sleep(2_000);
    without.push(await cpuOf(pid, turnMs));
    await ask(subscribers, { attach: dashboards });
    await sleep(2_000);
    await ask(subscribers, { attach: dashboards });
    withThem.push(await cpuOf(pid, turnMs));
    ({ updates } = await ask(subscribers, { attach: dashboards }));
    say(
      `coordinator: ${without.at(-1).toFixed(1)} % of a core alone, ${withThem.at(-1).toFixed(1)} % with ${dashboards}`,
    );
  }
  await ask(subscribers, { attach: 0 });
  return {
    without: mean(without),
    withThem: mean(withThem),
    updatesPerSecond: updates / dashboards / (turnMs / 1_000),
  };
}

async function measurePage(url, load) {
  const { page, devtools } = await openPage(url);
  await page.getByText('The pool', { exact: true }).waitFor();
  await sleep(WARM_UP_MS);
  if (options.profile) await profileOf(devtools);
  const heap = [];
  await heapBytes(devtools);
  await ask(load, { count: true });
  const began = performance.now();
  let scripting = 0;
  let tasks = 0;
  let measuredMs = 0;
  while (performance.now() - began < minutes * 60_000) {
    // A forced collection is this measurement's doing, and stands between the spans that are counted.
    const before = await metrics(devtools);
    const from = performance.now();
    await sleep(HEAP_EVERY_MS);
    const after = await metrics(devtools);
    measuredMs += performance.now() - from;
    scripting += after.ScriptDuration - before.ScriptDuration;
    tasks += after.TaskDuration - before.TaskDuration;
    const used = await heapBytes(devtools);
    heap.push([(performance.now() - began) / 60_000, used / 1e6]);
    say(`page: ${((scripting / measuredMs) * 1e5).toFixed(1)} % scripting, heap ${(used / 1e6).toFixed(2)} MB`);
  }
  const seconds = (performance.now() - began) / 1_000;
  const count = await ask(load, { count: true });
  return {
    scripting: (scripting / measuredMs) * 1e5,
    mainThread: (tasks / measuredMs) * 1e5,
    heap,
    heapGrowth: heap.length > 2 ? slope(heap) : Number.NaN,
    framesPerSecond: await countFrames(page),
    changesPerSecond: (count.ended * CHANGES_OF_A_TASK) / seconds,
  };
}

async function stopAll() {
  await browser?.close();
  await Promise.all(
    [...children].map((child) => {
      if (child.exitCode !== null || child.signalCode !== null) return undefined;
      child.kill('SIGTERM');
      return once(child, 'exit');
    }),
  );
  rmSync(data, { recursive: true, force: true });
}

process.on('SIGINT', () => stopAll().then(() => process.exit(130)));
try {
  const { child, port } = await startCoordinator();
  const url = `http://127.0.0.1:${port}`;
  const load = await startPeers('load.mjs', port);
  say(`${workers} workers join`);
  await ask(load, { join: workers });
  load.send({ tasksPerSecond: changes / CHANGES_OF_A_TASK });
  say(`${changes} changes a second`);
  await sleep(5_000);
  const coordinator = await compareCoordinator(child.pid, port);
  const page = await measurePage(url, load);
  report({ page, coordinator });
} finally {
  await stopAll();
}

function report({ page, coordinator }) {
  const difference = coordinator.withThem - coordinator.without;
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ workers, changes, dashboards, minutes, page, coordinator }, null, 2)}\n`);
    return;
  }
  const row = (name, value, limit) =>
    `${name.padEnd(46)}${value.padStart(12)}${limit === undefined ? '' : `   of ${limit}`}\n`;
  process.stdout.write(
    `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}; ${workers} workers, ` +
      `${Math.round(page.changesPerSecond).toLocaleString('en')} task changes a second as measured, ${minutes} min\n` +
      row('scripting of the page, % of a core', page.scripting.toFixed(1), '25') +
      row("the page's whole main thread, % of a core", page.mainThread.toFixed(1)) +
      row('heap growth after collection, MB a minute', page.heapGrowth.toFixed(2), '1.00') +
      row('heap at the end, MB', page.heap.at(-1)?.[1].toFixed(1) ?? '-') +
      row('frames a second', page.framesPerSecond.toFixed(0)) +
      row(`coordinator without dashboards, % of a core`, coordinator.without.toFixed(1)) +
      row(`coordinator with ${dashboards} dashboards, % of a core`, coordinator.withThem.toFixed(1)) +
      row('difference, % of a core', difference.toFixed(1), '20') +
      row('changes a second that each dashboard gets', coordinator.updatesPerSecond.toFixed(1)),
  );
}
