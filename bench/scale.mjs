/**
 * What one turn, one run of placement and one question cost in a large pool: the real core in this process, without sockets
 * and disk. 10,000 idle workers, of 200 signatures or all different by a hostname label, beside lanes that wait for what
 * nobody has. `baseline`: each waiting lane held against each worker, every worker counted, as it would be without an index.
 *
 * `npm run bench -- scale [--workers 10000] [--turns 2000]`. The exit code is 1 where a goal is missed.
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { makeEffects } from '@rma/server/core/effects';
import { explainWaiting } from '@rma/server/core/explain';
import { nodeStateOf } from '@rma/server/core/placement/node-state';
import { runPlacement } from '@rma/server/core/placement/run';
import { makeState } from '@rma/server/core/state';
import { step } from '@rma/server/core/step';
import { stateOf, viewWorker } from '@rma/server/core/view';
import { mismatch, servesKind, tierOf } from '@rma/server/core/worker';
import { answerQuery } from '@rma/server/query/query';

const { values } = parseArgs({
  options: { workers: { type: 'string', default: '10000' }, turns: { type: 'string', default: '2000' } },
});
const WORKERS = Number(values.workers);
const TURNS = Number(values.turns);
const KIND = 'echo';
const WALL_MS = Date.UTC(2026, 1, 1);
const CLIENT = 1;
/** Goals in ms: of the median and, for turns, which delay everybody, of the 99th percentile. */
const GOALS = { turn: [0.3, 2], placement: [5], stats: [1], page: [1], why: [1] };

let nowMs = 1_000;
let ids = 0;

function batchOf(...inputs) {
  return { nowMs, wallMs: WALL_MS, random: 0.5, inputs, fetched: new Map(), blobsHeld: new Set() };
}

const hex = (n, digits) => n.toString(16).padStart(digits, '0');
function taskId() {
  const time = hex(WALL_MS, 12);
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${hex(++ids, 12)}`;
}

function addToken(state, id, role) {
  const common = { trust: 'trusted', createdAt: 0, expiresAt: 0, usesLeft: -1, revokedAt: 0, lastUsedAt: WALL_MS };
  state.tokens.set(id, { id, role, name: id, subject: id, owner: id, ...common });
}

function hello(session, token, role, more = {}, worker = undefined) {
  const agent = { name: 'bench', version: '0' };
  const message = { type: 'hello', protocol: 1, agent, ...(worker ? { worker } : {}) };
  return { type: 'hello', session, address: '', token: { id: token, role }, message, ...more };
}

function workerHello(state, n, isDifferent) {
  const signature = n % 200;
  const tier = signature % 3;
  const labels = { site: `s${signature % 20}`, disk: `d${signature % 10}`, ...(isDifferent ? { host: `h${n}` } : {}) };
  const hardware = {
    os: 'linux',
    arch: 'x64',
    cpu: { model: 'x', logicalCores: [8, 4, 2][tier] },
    memory: { totalMiB: [16, 8, 4][tier] * 1_024 },
    disk: { freeGiB: 100, totalGiB: 100 },
    gpus: tier === 0 ? [{ index: 0, name: 'x', vendor: 'NVIDIA', vramMiB: 8_192 + signature }] : [],
    container: false,
    notes: [],
  };
  const kinds = [KIND, 'ocr.read', 'ner.extract', 'text.count', 'pdf.text'];
  const services = [{ name: 'main', runtime: 'embedded', state: 'healthy', kinds, slots: 2 }];
  const lists = { services, available: [], running: [], finished: [] };
  const token = `join-${n}`;
  addToken(state, token, 'join');
  const candidate = { worker: `w-${hex(n, 8)}`, tokenId: `t-${n}`, credential: 'x' };
  const engine = { name: 'docker', version: '27', gpu: tier === 0, diskFreeMiB: 100_000 };
  const worker = { key: `key-${n}`, instance: `i-${n}`, labels, hardware, engine, ...lists };
  return hello(CLIENT + 1 + n, token, 'join', { candidate }, worker);
}

/** What nobody has, in five ways. */
function stuckConstraints(i) {
  const n = Math.floor(i / 5);
  switch (i % 5) {
    case 0:
      return { labels: { host: `none-${n}` } };
    case 1:
      return { labels: { site: `s${n % 20}`, disk: `d${(n + 1) % 10}`, none: `${n}` } };
    case 2:
      return { minVramMiB: 100_000 + n };
    case 3:
      return { model: `model-${n}` };
    default:
      return { labels: { site: `s${n % 20}`, disk: `d${(n + 1) % 10}` }, minVramMiB: 1 + n };
  }
}

function catalog() {
  const entry = (name, kinds, fields) => {
    const resources = { cores: 1, memoryMiB: 256 };
    const container = { image: `example/${name}:1`, gpu: false, resources, port: 80, api: 'rma', kinds, slots: 1 };
    const common = { title: name, tier: null, embedded: null, prefer: 'container', everywhere: false, models: [] };
    const flags = { trusted: false, stateful: false, wholeGpu: false, floor: 0, ceiling: 100, idleSeconds: 0 };
    return {
      name,
      container: { ...container, network: false },
      kinds,
      ...common,
      ...flags,
      minRunSeconds: 60,
      ...fields,
    };
  };
  return [
    entry('echo', [KIND], {}),
    entry('database', [], { floor: 1, trusted: true }),
    entry('chat', ['llm.chat'], { models: ['none'] }),
    entry('speech', ['speech.read'], { floor: 20 }),
  ];
}

/** A pool at rest: all workers idle, all lanes stuck. */
function makePool(lanes, isDifferent) {
  const state = makeState({ maxLanesPerOwner: 1_000_000 });
  addToken(state, 'alice', 'client');
  state.knownKinds.set(KIND, new Set());
  step(state, batchOf(hello(CLIENT, 'alice', 'client')));
  for (let n = 0; n < WORKERS; n += 100) {
    nowMs += 10;
    const count = Math.min(100, WORKERS - n);
    step(state, batchOf(...Array.from({ length: count }, (_, i) => workerHello(state, n + i, isDifferent))));
  }
  step(state, batchOf({ type: 'catalog', entries: catalog(), source: 'bench', changed: true }));
  for (let i = 0; i < lanes; i++) submit(state, stuckConstraints(i));
  rest(state);
  return state;
}

/** Turns until no search goes on. */
function rest(state) {
  for (let i = 0; i < 100_000 && state.ready.size + state.freed.size > 0; i++) step(state, batchOf());
}

function submit(state, constraints) {
  const task = { id: taskId(), kind: KIND, input: new Uint8Array(64), ...(constraints ? { constraints } : {}) };
  step(state, batchOf({ type: 'message', session: CLIENT, message: { type: 'submit', tasks: [task] } }));
}

/** One task is submitted and dispatched; then, timed, a turn with its result. */
function timeTurn(state) {
  submit(state);
  const [task] = state.running;
  const worker = state.workers.get(task.worker);
  const results = [{ task: task.id, attempt: task.attempt, output: new Uint8Array(64), runMs: 1 }];
  const batch = batchOf({ type: 'message', session: worker.session, message: { type: 'results', results } });
  // Placement is timed by itself.
  state.placementDue = false;
  return timed(() => step(state, batch));
}

function timePlacement(state) {
  nowMs += 1_000;
  state.placementDue = true;
  const turn = { state, batch: batchOf(), effects: makeEffects(), evicted: new Map(), hints: 0 };
  return timed(() => runPlacement(turn));
}

/** Ms of this thread: what passed, or the processor time where other programs took theirs out of it. */
function timed(act) {
  const cpu = process.cpuUsage();
  const before = performance.now();
  act();
  const passed = performance.now() - before;
  const { user, system } = process.cpuUsage(cpu);
  return Math.min(passed, (user + system) / 1_000);
}

function timesOf(count, act) {
  for (let i = 0; i < Math.min(200, count / 2); i++) act(i);
  return Array.from({ length: count }, (_, i) => act(i)).sort((a, b) => a - b);
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

/** Of some of the workers, multiplied: the whole would take seconds. */
function scanBaseline(state) {
  const some = [...state.workers.values()].filter((_, i) => i % 20 === 0);
  let fits = 0;
  const ms = timed(() => {
    for (const lane of state.lanes.values()) {
      for (const worker of some) if (mismatch(worker, lane.constraints) === undefined) fits++;
    }
  });
  return { ms: (ms * state.workers.size) / some.length, fits };
}

function baselines(state) {
  const workers = [...state.workers.values()];
  const turn = { state, batch: batchOf() };
  const byId = (a, b) => (a.record.id < b.record.id ? -1 : 1);
  return {
    turn: scanBaseline(state).ms,
    placement: timed(() => workers.map((worker) => nodeStateOf(turn, worker))) + scanBaseline(state).ms,
    stats: timed(() => workers.map((worker) => [stateOf(worker), tierOf(worker)])),
    page: timed(() =>
      workers
        .toSorted(byId)
        .slice(0, 100)
        .map((worker) => viewWorker(worker, true, WALL_MS)),
    ),
    why: timed(() => workers.map((worker) => servesKind(worker, KIND) && mismatch(worker, { labels: { a: 'b' } }))),
  };
}

function measure(state) {
  const source = {
    state: () => state,
    wallMs: () => WALL_MS,
    storageBytes: () => 0,
    uptimeSeconds: () => 0,
    version: '0',
    transport: 'none',
    // Answered at once: in whose turn is not what is measured.
    turns: { ask: async (_asker, answer) => answer() },
    reader: { as: () => undefined },
  };
  const admin = { role: 'admin', subject: 'admin' };
  const ask = (query) => timed(() => void answerQuery(source, 1, admin, query).catch(fail));
  const lanes = [...state.lanes.values()].filter(({ window }) => window.length > 0);
  const why = (i) => {
    const task = lanes[i % lanes.length].window[0];
    return timed(() => explainWaiting(state, task, WALL_MS));
  };
  return {
    turn: timesOf(TURNS, () => timeTurn(state)),
    placement: timesOf(200, () => timePlacement(state)),
    stats: timesOf(TURNS, () => ask({ what: 'stats' })),
    page: timesOf(200, (i) => ask({ what: 'workers', limit: 100, after: `w-${hex((i * 50) % WORKERS, 8)}` })),
    why: timesOf(TURNS, why),
  };
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

console.log(`${WORKERS} workers; ms, median / p99 (goal)`);
let missed = 0;
for (const isDifferent of [false, true]) {
  for (const lanes of [255, 2_000]) {
    const state = makePool(lanes, isDifferent);
    console.log(`\n${isDifferent ? 'all different' : '200 signatures'}, ${lanes} stuck lanes`);
    const naive = baselines(state);
    for (const [name, times] of Object.entries(measure(state))) {
      const [median, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
      const [goal, goal99 = Number.POSITIVE_INFINITY] = GOALS[name];
      const ok = median <= goal && p99 <= goal99;
      if (!ok) missed++;
      const figures = `${median.toFixed(3).padStart(8)} / ${p99.toFixed(3).padStart(7)} (${GOALS[name].join(' / ')})`;
      const ratio = `baseline ${naive[name].toFixed(1)} = ${Math.round(naive[name] / median)}x`;
      console.log(`  ${name.padEnd(10)}${figures.padEnd(32)}${ok ? 'ok    ' : 'MISSED'}  ${ratio}`);
    }
  }
}
if (missed > 0) process.exitCode = 1;
