/** Valid messages to be damaged: of every type, made from the schemas, and ones that name what is really there. */
import { createHash } from 'node:crypto';
import type { Role } from '@rma/protocol/down';
import { packPayload } from '@rma/protocol/payload';
import { MESSAGE_ROLES } from '@rma/protocol/role';
import type { AttemptRef } from '@rma/protocol/task';
import { UP, type Up, type UpType } from '@rma/protocol/up';
import fc from 'fast-check';
import { arbitraryOf } from '../protocol/message-arbitrary.js';
import { newTaskId, workerHello } from '../support/peer.js';
import type { Random } from './random.js';

const TYPES = Object.keys(UP) as UpType[];
const SAMPLES_PER_TYPE = 40;
const KEPT = 200;

/** What the peers of a run have learnt of the pool: ids that mean something there. */
export class Knowledge {
  readonly tasks: string[] = [newTaskId()];
  readonly attempts: AttemptRef[] = [{ task: newTaskId(), attempt: 1 }];
  /** Workers that may be pinned, drained and revoked without ending the run. */
  readonly workers: string[] = ['w-none'];
  readonly tokens: string[] = ['t-none'];
  /** Small enough for one data frame. */
  readonly blobs: readonly { blob: string; bytes: Uint8Array }[];
  /** Those that are held for each role. */
  readonly held: Record<Role, string[]> = { admin: [], client: [], join: [], worker: [] };
  lastEvent = 0;

  constructor(random: Random) {
    this.blobs = [0, 1, 500, 16_384].map((size) => {
      const bytes = random.bytes(size);
      return { blob: createHash('sha256').update(bytes).digest('hex'), bytes };
    });
  }

  learn<T>(list: T[], ...items: readonly T[]): void {
    list.push(...items);
    if (list.length > KEPT) list.splice(0, list.length - KEPT);
  }
}

/** Samples of every message type from its schema, the same for the same seed. */
export function samplesOf(seed: number): ReadonlyMap<UpType, readonly object[]> {
  return new Map(
    TYPES.map((type) => [
      type,
      fc.sample(arbitraryOf(UP[type]), { seed, numRuns: SAMPLES_PER_TYPE }).map((message) => message as object),
    ]),
  );
}

/** A message's type: mostly one that the role may send, so that it gets past the door. */
export function typeFor(random: Random, role: Role): UpType {
  const type = random.pick(TYPES);
  return MESSAGE_ROLES[type].includes(role) || random.chance(0.15) ? type : typeFor(random, role);
}

/** A message that is right in every way, as far as this can be known. */
export function liveMessage(random: Random, known: Knowledge, type: UpType, stream: number): object | undefined {
  const task = random.pick(known.tasks);
  const attempt = random.pick(known.attempts);
  const ref = 1 + random.below(1_000);
  const { blob, bytes } = random.pick(known.blobs);
  const payload = packPayload(random.pick<unknown>([null, 'text', { a: [1, { b: 2 }] }, 7.5, Buffer.alloc(30)]));
  const build: { readonly [T in UpType]?: () => Extract<Up, { type: T }> } = {
    submit: () => ({
      type: 'submit',
      watch: random.chance(0.5),
      tasks: Array.from({ length: 1 + random.below(3) }, () => ({
        id: random.chance(0.9) ? newTaskId() : task,
        kind: random.pick(['echo', 'echo', 'fuzz.kind', 'ocr.read']),
        input: payload,
        ...(random.chance(0.1) ? { blobs: [blob] } : {}),
        ...(random.chance(0.2) ? { priority: random.below(200) - 100 } : {}),
        ...(random.chance(0.2) ? { ttlMs: 1 + random.below(2_000) } : {}),
        ...(random.chance(0.2) ? { notBefore: Date.now() + random.below(2_000) } : {}),
        ...(random.chance(0.2) ? { timeoutMs: 1 + random.below(500) } : {}),
        ...(random.chance(0.2) ? { maxAttempts: 1 + random.below(3), backoffMs: random.below(100) } : {}),
        ...(random.chance(0.2) ? { constraints: constraintsOf(random, known) } : {}),
      })),
    }),
    watch: () => ({ type: 'watch', tasks: [{ task, after: { attempt: 1, chunk: random.below(3) } }] }),
    unwatch: () => ({ type: 'unwatch', tasks: [task] }),
    cancel: () => ({ type: 'cancel', ref, task }),
    cancels: () => ({ type: 'cancels', ref, tasks: [task, random.pick(known.tasks)] }),
    query: () => ({
      type: 'query',
      ref,
      query: random.pick([
        { what: 'task' as const, task },
        { what: 'tasks' as const, state: 'queued' as const, limit: 3 },
        { what: 'events' as const, since: known.lastEvent, limit: 3 },
      ]),
    }),
    subscribe: () => ({ type: 'subscribe', ref, topic: 'events', since: known.lastEvent }),
    act: () => ({
      type: 'act',
      ref,
      action: random.pick([
        { do: 'worker.pin' as const, worker: random.pick(known.workers), tier: random.pick([1, 2, 3, null] as const) },
        { do: 'worker.drain' as const, worker: random.pick(known.workers), draining: random.chance(0.5) },
        ...(random.chance(0.05) ? [{ do: 'worker.revoke' as const, worker: random.pick(known.workers) }] : []),
        { do: 'token.create' as const, role: 'client' as const, name: 'fuzz', expiresInSeconds: 1 },
        { do: 'token.revoke' as const, token: random.pick(known.tokens) },
      ]),
    }),
    services: () => ({
      type: 'services',
      services: [{ name: 'embedded', runtime: 'embedded', state: 'healthy', kinds: ['echo', 'fuzz.kind'], slots: 64 }],
    }),
    drain: () => ({ type: 'drain', draining: random.chance(0.1) }),
    progress: () => ({ type: 'progress', ...attempt, fraction: random.next(), note: 'on its way' }),
    chunks: () => ({ type: 'chunks', chunks: [{ ...attempt, chunk: 1 + random.below(3), data: payload }] }),
    results: () => ({ type: 'results', results: [resultOf(random, attempt, payload, blob)] }),
    'blob.put': () => ({ type: 'blob.put', stream, blob, size: bytes.length, attempt }),
    'blob.get': () => ({ type: 'blob.get', stream, blob, offset: 0, credit: random.below(20_000), attempt }),
    'stream.credit': () => ({ type: 'stream.credit', stream, bytes: 1 + random.below(20_000) }),
    'stream.end': () => ({ type: 'stream.end', stream }),
    'stream.abort': () => ({ type: 'stream.abort', stream, error: { kind: 'unavailable', message: 'enough' } }),
  };
  return build[type]?.();
}

function constraintsOf(random: Random, known: Knowledge) {
  return random.pick([
    {},
    { tier: 1 + random.below(3) },
    { trust: 'trusted' as const },
    { worker: random.pick(known.workers) },
    { labels: { rack: String(random.below(5)) } },
  ]);
}

function resultOf(random: Random, attempt: AttemptRef, output: Uint8Array, blob: string) {
  const code = random.pick(['input.damaged', 'cancelled', 'refused', 'timeout']);
  if (random.chance(0.4)) return { ...attempt, error: { code, message: 'no', retryable: random.chance(0.7) } };
  return { ...attempt, output, runMs: random.below(100), ...(random.chance(0.1) ? { blobs: [blob] } : {}) };
}

/** A hello that is right: of a client or admin, or of a worker that takes what it is given. */
export function helloMessage(random: Random, known: Knowledge, token: string, asWorker: boolean, key: string): object {
  const hello = { type: 'hello', protocol: 1, token, agent: { name: 'fuzz', version: '1' }, features: ['blobs'] };
  if (!asWorker) return hello;
  const reported = () => known.attempts.slice(-random.below(4));
  const worker = workerHello({
    key,
    instance: random.pick(['instance-a', 'instance-b']),
    labels: { rack: String(random.below(5)) },
    kinds: ['echo', 'fuzz.kind'],
    slots: 64,
    running: random.chance(0.5) ? reported() : [],
    finished: random.chance(0.5) ? reported() : [],
  });
  return { ...hello, worker };
}
