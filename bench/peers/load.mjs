/**
 * Load: many workers and a steady stream of tasks for them, as bare protocol frames, in one process:
 * `load.mjs PORT DATA-DIRECTORY`, then by messages `{join: N}`, answered by `{joined: N}`, and `{tasksPerSecond: N}`.
 * `{count: true}` is answered by how many tasks were submitted and ended since the last such request.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { decodeDown, encodeUp } from '@rma/protocol/codec';
import { packPayload } from '@rma/protocol/payload';
import { SUBPROTOCOL_MSGPACK } from '@rma/protocol/version';

const WebSocket = createRequire(import.meta.resolve('@rma/client'))('ws');
const [port, data] = process.argv.slice(2);
const token = (name) => readFileSync(join(data, `${name}.token`), 'utf8').trim();
const DIALS_AT_ONCE = 50;
const HEARTBEAT_MS = 2_500;
const SAMPLE_MS = 5_000;
/** What each tier offers; a task is of one of all these kinds. */
const TIERS = [
  { share: 0.15, kinds: ['chat.reply', 'image.describe'], cores: 16, memoryMiB: 65_536, vramMiB: 24_576 },
  { share: 0.6, kinds: ['scan.read', 'names.find', 'text.split'], cores: 8, memoryMiB: 16_384, vramMiB: 0 },
  { share: 0.25, kinds: ['vectors.search', 'rows.sum'], cores: 2, memoryMiB: 4_096, vramMiB: 0 },
];
const KINDS = TIERS.flatMap(({ kinds }) => kinds);
const SLOTS = 4;
const FAILED_SHARE = 0.004;

let ended = 0;
let submitted = 0;

function dial(hello, onMessage) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, SUBPROTOCOL_MSGPACK, { perMessageDeflate: false });
    const send = (message) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(encodeUp(message, SUBPROTOCOL_MSGPACK));
    };
    socket.on('open', () => send({ type: 'hello', protocol: 1, agent: { name: 'load', version: '0' }, ...hello }));
    socket.on('message', (raw) => {
      const message = decodeDown(raw);
      if (message.type === 'welcome') {
        setInterval(() => send({ type: 'heartbeat' }), HEARTBEAT_MS).unref();
        resolve(send);
      } else if (message.type === 'error' || message.type === 'goodbye') reject(new Error(JSON.stringify(message)));
      else onMessage(message, send);
    });
    socket.on('error', reject);
  });
}

function tierOf(i, all) {
  let upTo = 0;
  for (const tier of TIERS) {
    upTo += tier.share * all;
    if (i < upTo) return tier;
  }
  return TIERS.at(-1);
}

async function joinWorker(i, all) {
  const { kinds, cores, memoryMiB, vramMiB } = tierOf(i, all);
  const gpus = vramMiB ? [{ index: 0, vendor: 'NVIDIA', name: 'bench GPU', vramMiB }] : [];
  const worker = {
    key: `load-${String(i).padStart(6, '0')}-0123456789`,
    instance: `load-${process.pid}-${i}`,
    name: `bench-${String(i).padStart(4, '0')}`,
    hardware: {
      os: 'linux',
      arch: 'x64',
      cpu: { model: 'bench', logicalCores: cores },
      memory: { totalMiB: memoryMiB },
      disk: { freeGiB: 50, totalGiB: 100 },
      gpus,
      container: false,
      notes: [],
    },
    available: [],
    services: [{ name: 'bench', runtime: 'embedded', state: 'healthy', kinds, slots: SLOTS }],
    running: [],
    finished: [],
  };
  let running = 0;
  const send = await dial({ token: token('join'), worker }, (message, answer) => {
    if (message.type !== 'dispatch') return;
    for (const { task, attempt, input } of message.tasks) {
      running++;
      setTimeout(
        () => {
          running--;
          const result =
            Math.random() < FAILED_SHARE
              ? { error: { code: 'bench', message: 'failed on purpose' } }
              : { output: input, runMs: 1 };
          answer({ type: 'results', results: [{ task, attempt, ...result }] });
          ended++;
        },
        40 + Math.random() * 400,
      );
    }
  });
  const base = 0.05 + Math.random() * 0.4;
  const sample = () => {
    const cpu = Math.min(1, base + (running / SLOTS) * 0.5 + Math.random() * 0.05);
    const load = vramMiB ? [{ index: 0, load: Math.min(1, cpu + 0.1), vramUsedMiB: 4_000 }] : [];
    send({ type: 'sample', load: { cpu, memoryUsedMiB: Math.round(memoryMiB * 0.4), temperatureC: 50, gpus: load } });
  };
  setTimeout(() => setInterval(sample, SAMPLE_MS), Math.random() * SAMPLE_MS);
}

async function joinAll(all) {
  let next = 0;
  const dialler = async () => {
    while (next < all) await joinWorker(next++, all);
  };
  await Promise.all(Array.from({ length: DIALS_AT_ONCE }, dialler));
}

let last = Date.now();
let counter = 0;
/** A UUIDv7. */
function nextId() {
  last = Math.max(last, Date.now());
  const time = last.toString(16).padStart(12, '0');
  counter = (counter + 1) % 0x0fffffff;
  const tail = counter.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${process.pid.toString(16).padStart(3, '0').slice(-3)}-8000-${tail}`;
}

let rate = 0;
async function submitSteadily() {
  const send = await dial({ token: token('client') }, () => undefined);
  const input = packPayload({ text: 'x'.repeat(80) });
  let owed = 0;
  let at = performance.now();
  setInterval(() => {
    const now = performance.now();
    owed += ((now - at) / 1_000) * rate;
    at = now;
    const count = Math.min(500, Math.floor(owed));
    owed -= count;
    if (count === 0) return;
    const tasks = Array.from({ length: count }, () => ({
      id: nextId(),
      kind: KINDS[Math.floor(Math.random() * KINDS.length)],
      input,
      maxAttempts: 1,
    }));
    submitted += count;
    send({ type: 'submit', tasks, watch: false });
  }, 20);
}

process.on('message', async (message) => {
  if (message.join !== undefined) {
    await joinAll(message.join);
    await submitSteadily();
    process.send({ joined: message.join });
  }
  if (message.tasksPerSecond !== undefined) rate = message.tasksPerSecond;
  if (message.count) {
    process.send({ submitted, ended });
    submitted = 0;
    ended = 0;
  }
});
process.on('disconnect', () => process.exit(0));
process.send({ ready: true });
