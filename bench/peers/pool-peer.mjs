/**
 * The pool's producer and worker, on the protocol itself: `pool-peer.mjs producer|worker PORT TOKEN-FILE`. As lean as
 * the relay's, so that the two measure the coordinator and not the SDK; what a turn sends goes into one message.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { decodeDown, encodeUp } from '@rma/protocol/codec';
import { packPayload } from '@rma/protocol/payload';
import { SUBPROTOCOL_MSGPACK } from '@rma/protocol/version';
import { runProducer } from './producer.mjs';

const WebSocket = createRequire(import.meta.resolve('@rma/client'))('ws');
const [role, port, tokenFile] = process.argv.slice(2);
const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, SUBPROTOCOL_MSGPACK, { perMessageDeflate: false });
const send = (message) => socket.send(encodeUp(message, SUBPROTOCOL_MSGPACK));
const service = { name: 'noop', runtime: 'embedded', state: 'healthy', kinds: ['noop'], slots: 4_096 };
const worker = {
  key: 'bench-0123456789abcdef',
  instance: `bench-${process.pid}-${Date.now()}`,
  hardware: {
    os: 'linux',
    arch: 'x64',
    cpu: { model: 'bench', logicalCores: 2 },
    memory: { totalMiB: 8_192 },
    disk: { freeGiB: 50, totalGiB: 100 },
    gpus: [],
    container: false,
    notes: [],
  },
  available: [],
  services: [service],
  running: [],
  finished: [],
};

socket.on('open', () => {
  send({
    type: 'hello',
    protocol: 1,
    token: readFileSync(tokenFile, 'utf8').trim(),
    agent: { name: 'bench', version: '0' },
    ...(role === 'worker' ? { worker } : {}),
  });
});
setInterval(() => send({ type: 'heartbeat' }), 2_500).unref();

/** So many do not wait for the end of the turn, and then twice as many: as the SDK does. */
const EARLY = 16;
let early = EARLY;
let turn = [];
let scheduled = false;
/** Gathers what one turn produces into few messages. */
function gather(item, flush) {
  const leave = () => {
    const items = turn;
    turn = [];
    if (items.length > 0) flush(items);
  };
  if (turn.push(item) >= early) {
    early *= 2;
    leave();
  }
  if (scheduled) return;
  scheduled = true;
  setImmediate(() => {
    scheduled = false;
    early = EARLY;
    leave();
  });
}

let onEnded = () => undefined;
socket.on('message', (data) => {
  const message = decodeDown(data);
  switch (message.type) {
    case 'welcome':
      if (role === 'worker') process.send({ ready: true });
      else {
        runProducer({
          submit: (id, input) => {
            gather({ id, kind: 'noop', input: packPayload(input) }, (tasks) =>
              send({ type: 'submit', tasks, watch: true }),
            );
          },
          onEnded: (listener) => {
            onEnded = listener;
          },
        });
      }
      return;
    case 'dispatch':
      send({
        type: 'results',
        results: message.tasks.map(({ task, attempt, input }) => ({ task, attempt, output: input, runMs: 0 })),
      });
      return;
    case 'ended':
      for (const { task, state } of message.tasks) {
        if (state !== 'succeeded') throw new Error(`the task ${task} ${state}`);
        onEnded(task);
      }
      return;
    case 'refused':
    case 'error':
    case 'goodbye':
      throw new Error(JSON.stringify(message));
  }
});
