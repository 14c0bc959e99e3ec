/**
 * Simulated machines for screenshots: peers that speak the protocol to a real coordinator, with invented hardware, load and
 * results.
 */
import { randomBytes } from 'node:crypto';
import { decodeDown, encodeUp } from '@rma/protocol/codec';
import { packPayload } from '@rma/protocol/payload';
import { WebSocket } from 'ws';

const BEAT_MS = 2_000;
const MSGPACK = 'rma.v1.msgpack';

/**
 * @typedef {{name: string, model: string, vramMiB: number}} GpuPlan
 * @typedef {{name: string, cpu: string, cores: number, memoryGiB: number, diskGiB: number, os?: string, arch?: string,
 *   gpu?: GpuPlan, kinds: string[], service: string, slots: number, models?: string[], busy: number,
 *   labels?: Record<string, string>, token: 'home' | 'lab' | 'office'}} Plan
 */

/** @type {readonly Plan[]} */
export const PLANS = [
  {
    name: 'attic-rig',
    cpu: 'AMD Ryzen 9 7950X',
    cores: 32,
    memoryGiB: 64,
    diskGiB: 640,
    gpu: gpu('RTX 4090', 24_564),
    kinds: ['llm.chat', 'llm.generate'],
    service: 'vllm',
    slots: 8,
    models: ['qwen3-8b'],
    busy: 0.8,
    labels: { region: 'leeds' },
    token: 'home',
  },
  {
    name: 'hannah-gaming',
    os: 'win32',
    cpu: 'Intel Core i7-13700K',
    cores: 24,
    memoryGiB: 32,
    diskGiB: 210,
    gpu: gpu('RTX 3080', 10_240),
    kinds: ['llm.chat', 'image.caption'],
    service: 'ollama',
    slots: 4,
    models: ['gemma-3-4b'],
    busy: 0.55,
    labels: { region: 'york' },
    token: 'home',
  },
  {
    name: 'lab-a100-1',
    cpu: 'AMD EPYC 7543',
    cores: 64,
    memoryGiB: 256,
    diskGiB: 1_800,
    gpu: gpu('A100-SXM4-40GB', 40_960),
    kinds: ['llm.chat', 'llm.generate', 'image.caption'],
    service: 'vllm',
    slots: 16,
    models: ['llama-3.3-70b'],
    busy: 0.9,
    labels: { region: 'sheffield', rack: 'b2' },
    token: 'lab',
  },
  {
    name: 'lab-a100-2',
    cpu: 'AMD EPYC 7543',
    cores: 64,
    memoryGiB: 256,
    diskGiB: 1_750,
    gpu: gpu('A100-SXM4-40GB', 40_960),
    kinds: ['llm.chat', 'llm.generate', 'image.caption'],
    service: 'vllm',
    slots: 16,
    models: ['llama-3.3-70b'],
    busy: 0.7,
    labels: { region: 'sheffield', rack: 'b2' },
    token: 'lab',
  },
  {
    name: 'render-box',
    cpu: 'AMD Threadripper 3970X',
    cores: 64,
    memoryGiB: 128,
    diskGiB: 900,
    gpu: gpu('RTX A5000', 24_564),
    kinds: ['image.caption', 'audio.transcribe'],
    service: 'whisper',
    slots: 4,
    busy: 0.3,
    token: 'office',
  },
  ...['reception', 'accounts', 'meeting-room', 'library', 'print-room'].map((room, n) => ({
    name: `office-${room}`,
    cpu: 'Intel Core i5-10400',
    cores: 12,
    memoryGiB: 16,
    diskGiB: 180 - n * 20,
    kinds: ['text.summarise', 'mail.classify'],
    service: 'documents',
    slots: 3,
    busy: 0.2 + n * 0.12,
    labels: { region: 'bradford' },
    token: /** @type {const} */ ('office'),
  })),
  {
    name: 'mac-studio',
    os: 'darwin',
    arch: 'arm64',
    cpu: 'Apple M2 Max',
    cores: 12,
    memoryGiB: 64,
    diskGiB: 420,
    kinds: ['text.summarise', 'audio.transcribe'],
    service: 'documents',
    slots: 6,
    busy: 0.6,
    token: 'home',
  },
  {
    name: 'lab-node-07',
    cpu: 'Intel Xeon E5-2680',
    cores: 28,
    memoryGiB: 96,
    diskGiB: 300,
    kinds: ['text.summarise', 'mail.classify'],
    service: 'documents',
    slots: 8,
    busy: 0.5,
    labels: { rack: 'a1' },
    token: 'lab',
  },
  {
    name: 'vps-nuremberg',
    cpu: 'AMD EPYC-Rome',
    cores: 2,
    memoryGiB: 4,
    diskGiB: 40,
    kinds: ['mail.classify'],
    service: 'mail',
    slots: 2,
    busy: 0.35,
    labels: { region: 'eu' },
    token: 'home',
  },
  {
    name: 'pi-cluster-2',
    arch: 'arm64',
    cpu: 'ARM Cortex-A76',
    cores: 4,
    memoryGiB: 8,
    diskGiB: 58,
    kinds: ['mail.classify'],
    service: 'mail',
    slots: 2,
    busy: 0.15,
    token: 'lab',
  },
];

/** @param {string} model @param {number} vramMiB @returns {GpuPlan} */
function gpu(model, vramMiB) {
  return { name: `NVIDIA ${model.startsWith('RTX') ? 'GeForce ' : ''}${model}`, model, vramMiB };
}

export class Machine {
  /** @type {WebSocket | undefined} */
  #socket;
  /** @type {NodeJS.Timeout | undefined} */
  #beat;
  /** @type {Set<NodeJS.Timeout>} */
  #work = new Set();
  #running = 0;
  /** Assigned by the coordinator. */
  id = '';

  /** @param {Plan} plan */
  constructor(plan) {
    this.plan = plan;
  }

  /** @param {string} url of the socket @param {string} token @returns {Promise<void>} once it is in the pool */
  join(url, token) {
    const socket = new WebSocket(url, [MSGPACK], { perMessageDeflate: false });
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('open', () => this.#send(this.#hello(token)));
      socket.on('message', (/** @type {Buffer} */ frame) => {
        const message = decodeDown(frame);
        if (message.type === 'welcome') {
          this.id = message.worker?.id ?? '';
          this.#beat = setInterval(() => this.#sample(), BEAT_MS);
          this.#sample();
          resolve();
        } else if (message.type === 'dispatch') for (const task of message.tasks) this.#run(task);
      });
    });
  }

  leave() {
    clearInterval(this.#beat);
    for (const timer of this.#work) clearTimeout(timer);
    this.#socket?.removeAllListeners('error').on('error', () => undefined);
    this.#socket?.terminate();
  }

  /** @param {import('@rma/protocol/up').Up} message */
  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(encodeUp(message, MSGPACK));
  }

  /** @param {string} token @returns {import('@rma/protocol/up').Up} */
  #hello(token) {
    const {
      name,
      cpu,
      cores,
      memoryGiB,
      diskGiB,
      os = 'linux',
      arch = 'x64',
      kinds,
      service,
      slots,
      models,
    } = this.plan;
    const { gpu: card, labels } = this.plan;
    const gpus = card
      ? [{ index: 0, name: card.name, vendor: 'NVIDIA', vramMiB: card.vramMiB, driver: '570.86', cuda: '12.8' }]
      : [];
    return {
      type: 'hello',
      protocol: 1,
      token,
      agent: { name: 'rma-worker', version: '0.1.0' },
      worker: {
        key: randomBytes(16).toString('hex'),
        instance: randomBytes(8).toString('hex'),
        name,
        ...(labels ? { labels } : {}),
        hardware: {
          os,
          arch,
          hostname: name,
          cpu: { model: cpu, logicalCores: cores },
          memory: { totalMiB: memoryGiB * 1_024 - 320 },
          disk: { freeGiB: diskGiB, totalGiB: diskGiB * 1.6 },
          gpus,
          container: false,
          notes: card || os !== 'linux' ? [] : ['nvidia-smi not found'],
        },
        available: [],
        services: [
          {
            name: service,
            runtime: card ? 'docker' : 'embedded',
            state: 'healthy',
            kinds,
            slots,
            ...(models ? { models } : {}),
          },
        ],
        running: [],
        finished: [],
      },
    };
  }

  #sample() {
    const { busy, slots, memoryGiB, gpu: card } = this.plan;
    const share = Math.min(1, busy * 0.35 + (this.#running / slots) * 0.5 + (Math.random() - 0.5) * 0.12);
    const cpu = Math.max(0.02, share);
    const gpus = card
      ? [
          {
            index: 0,
            load: Math.min(1, cpu * 1.15),
            vramUsedMiB: Math.round(card.vramMiB * (0.62 + cpu * 0.2)),
            temperatureC: 42 + Math.round(cpu * 36),
          },
        ]
      : [];
    const memoryUsedMiB = Math.round(memoryGiB * 1_024 * (0.28 + cpu * 0.3));
    this.#send({ type: 'sample', load: { cpu, memoryUsedMiB, temperatureC: 38 + Math.round(cpu * 40), gpus } });
  }

  /** @param {import('@rma/protocol/task').Dispatch} task */
  #run({ task, attempt, kind }) {
    this.#running++;
    const runMs =
      (kind.startsWith('llm') ? 2_500 : kind === 'audio.transcribe' ? 6_000 : 900) * (0.4 + Math.random() * 1.6);
    const timer = setTimeout(() => {
      this.#work.delete(timer);
      this.#running--;
      const result = { task, attempt, runMs: Math.round(runMs) };
      const isBad = Math.random() < (kind === 'audio.transcribe' ? 0.22 : 0.012);
      const error = {
        code: 'input.damaged',
        message: 'the recording ends in the middle of a frame: send it again',
        retryable: false,
      };
      this.#send({
        type: 'results',
        results: [isBad ? { ...result, error } : { ...result, output: packPayload(answer(kind)) }],
      });
    }, runMs);
    this.#work.add(timer);
  }
}

/** @param {string} kind */
function answer(kind) {
  if (kind === 'llm.chat')
    return {
      text: 'The tenancy ends on 31 May; notice must reach the landlord by the end of March.',
      model: 'llama-3.3-70b',
      tokens: 214,
    };
  if (kind === 'image.caption') return { text: 'A street market in the rain, seen from a first floor.', score: 0.93 };
  if (kind === 'mail.classify') return { label: 'invoice', score: 0.97, others: { complaint: 0.02, newsletter: 0.01 } };
  return { text: 'Minutes of the meeting of 3 May: budget agreed, roof repairs put off to autumn.' };
}
