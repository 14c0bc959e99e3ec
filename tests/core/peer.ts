/** Clients, admins and workers of the harness: each sends its role's messages, and reads what it is sent. */
import type { Hardware } from '@rma/protocol/hardware';
import type { AttemptRef, AttemptResult, Dispatch, Labels, TaskSpec, Trust } from '@rma/protocol/task';
import type { Action, UpOf } from '@rma/protocol/up';
import type { Available, RunningAttempt, Service, Verdict } from '@rma/protocol/worker';
import type { DonorPolicy, Engine } from '@rma/protocol/workload';
import type { CoreMessage } from '@rma/server/core/inputs';
import type { Worker } from '@rma/server/core/worker';
import { type Pool, type Sent, START_MS } from './harness.js';

/** A UUIDv7 of a time, made unique by a number. */
export function taskId(n: number, atMs = START_MS): string {
  const time = atMs.toString(16).padStart(12, '0');
  const tail = n.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${tail}`;
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array | undefined): string | undefined => data && new TextDecoder().decode(data);

/** A machine of a tier, or of none. */
export function machine(tier: 1 | 2 | 3 | null): Hardware {
  const [logicalCores, gib] = tier === 1 ? [8, 16] : tier === 2 ? [4, 8] : tier === 3 ? [2, 4] : [1, 1];
  return {
    os: 'linux',
    arch: 'x64',
    cpu: { model: 'Test CPU', logicalCores },
    memory: { totalMiB: gib * 1024 },
    disk: { freeGiB: 100, totalGiB: 100 },
    gpus: tier === 1 ? [{ index: 0, name: 'RTX', vendor: 'NVIDIA', vramMiB: 8192 }] : [],
    container: false,
    notes: [],
  };
}

class Peer {
  readonly pool: Pool;
  session = 0;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  /** Sends a message, and runs turns until nothing is left to do. */
  send(message: CoreMessage, minted?: { id: string; token: string }): void {
    this.pool.push({ type: 'message', session: this.session, message, ...(minted ? { minted } : {}) });
    this.pool.settle();
  }

  /** What was received since the last read. */
  read(): Sent {
    return this.pool.read(this.session);
  }

  disconnect(): void {
    this.pool.push({ type: 'closed', session: this.session, reason: 'gone' });
    this.pool.settle();
  }
}

export type TaskFields = Partial<TaskSpec>;

export class Client extends Peer {
  readonly role: 'client' | 'admin';
  readonly token: string;
  #ref = 0;

  constructor(pool: Pool, name = 'alice', role: 'client' | 'admin' = 'client', expiresAt = 0) {
    super(pool);
    this.role = role;
    this.token = pool.addToken({ role, name, subject: name, expiresAt }).id;
    this.connect();
  }

  connect(): void {
    this.session = this.pool.nextId();
    const message = { type: 'hello', protocol: 1, agent: { name: 'test', version: '0' } } as const;
    const token = { id: this.token, role: this.role };
    this.pool.push({ type: 'hello', session: this.session, address: '127.0.0.1', token, message });
    this.pool.settle();
  }

  /** A whole task from what matters of it. */
  spec(fields: TaskFields = {}): TaskSpec {
    return { id: taskId(this.pool.nextId(), this.pool.wallMs), kind: 'echo', input: bytes('input'), ...fields };
  }

  /** Submits tasks in one message; answers their ids. */
  submit(...specs: TaskFields[]): string[] {
    const tasks = (specs.length > 0 ? specs : [{}]).map((fields) => this.spec(fields));
    this.send({ type: 'submit', tasks });
    return tasks.map(({ id }) => id);
  }

  /** Submits one task and watches it. */
  submitWatched(fields: TaskFields = {}): string {
    const task = this.spec(fields);
    this.send({ type: 'submit', tasks: [task], watch: true });
    return task.id;
  }

  watch(task: string, after?: { attempt: number; chunk: number }): Sent {
    this.read();
    this.send({ type: 'watch', tasks: [{ task, ...(after ? { after } : {}) }] });
    return this.read();
  }

  cancel(task: string): Sent {
    this.read();
    this.send({ type: 'cancel', ref: ++this.#ref, task });
    return this.read();
  }

  cancels(...tasks: string[]): Sent {
    this.read();
    this.send({ type: 'cancels', ref: ++this.#ref, tasks });
    return this.read();
  }

  act(action: Action): Sent {
    this.read();
    const id = this.pool.nextId();
    const minted = action.do === 'token.create' ? { id: `t-${id}`, token: `signed-${id}` } : undefined;
    this.send({ type: 'act', ref: ++this.#ref, action }, minted);
    return this.read();
  }
}

export interface WorkerOptions {
  readonly kinds?: readonly string[];
  readonly slots?: number;
  readonly models?: readonly string[];
  readonly labels?: Labels;
  readonly trust?: Trust;
  readonly hardware?: Hardware;
  readonly available?: readonly Available[];
  readonly name?: string;
  readonly engine?: Engine;
  readonly policy?: DonorPolicy;
}

export interface Arrival {
  readonly running?: readonly RunningAttempt[];
  readonly finished?: readonly AttemptRef[];
  /** The agent started anew. */
  readonly restarted?: boolean;
  readonly services?: Service[];
  readonly draining?: boolean;
  /** Another name than before. */
  readonly name?: string;
}

export class WorkerPeer extends Peer {
  readonly options: WorkerOptions;
  readonly key: string;
  id = '';
  instance: string;
  token = '';

  constructor(pool: Pool, options: WorkerOptions = {}) {
    super(pool);
    this.options = options;
    this.key = `key-${pool.nextId()}`.padEnd(16, '0');
    this.instance = `instance-${pool.nextId()}`;
    const trust = options.trust ?? 'community';
    const join = pool.addToken({ role: 'join', name: options.name ?? 'lab', trust, usesLeft: 1 });
    this.join(join.id);
  }

  service(changes: Partial<Service> = {}): Service {
    const { kinds = ['echo'], slots = 1, models } = this.options;
    const listed = models === undefined ? {} : { models: [...models] };
    return { name: 'main', runtime: 'embedded', state: 'healthy', kinds: [...kinds], slots, ...listed, ...changes };
  }

  /** The first hello, with a join token. */
  join(token: string): Sent {
    return this.#hello({ id: token, role: 'join' }, {});
  }

  connect(arrival: Arrival = {}): Sent {
    if (arrival.restarted) this.instance = `instance-${this.pool.nextId()}`;
    return this.#hello({ id: this.token, role: 'worker' }, arrival);
  }

  #hello(token: { id: string; role: 'join' | 'worker' }, arrival: Arrival): Sent {
    const { options, pool } = this;
    this.session = pool.nextId();
    const n = pool.nextId();
    const candidate = { worker: `w-test${n}`, tokenId: `t-${n}`, credential: `credential-${n}` };
    const { running = [], finished = [], services = [this.service()], draining = false } = arrival;
    const name = arrival.name ?? options.name;
    pool.push({
      type: 'hello',
      session: this.session,
      address: '10.0.0.1',
      token,
      ...(token.role === 'join' ? { candidate } : {}),
      message: {
        type: 'hello',
        protocol: 1,
        agent: { name: 'rma-worker', version: '0' },
        worker: {
          key: this.key,
          instance: this.instance,
          ...(name === undefined ? {} : { name }),
          labels: options.labels ?? {},
          hardware: options.hardware ?? machine(3),
          available: [...(options.available ?? [])],
          ...(options.engine ? { engine: options.engine } : {}),
          ...(options.policy ? { policy: options.policy } : {}),
          services,
          running: [...running],
          finished: [...finished],
          draining,
        },
      },
    });
    pool.settle();
    const sent = this.read();
    const welcomed = sent.welcome?.worker;
    if (welcomed) {
      this.id = welcomed.id;
      if (welcomed.credential !== undefined) this.token = candidate.tokenId;
    }
    this.#unread = sent.dispatches;
    return sent;
  }

  #unread: Dispatch[] = [];

  /** The catalogue workloads and embedded ones of its present assignment. */
  get assigned(): string[] {
    return this.live.assignment.workloads.map(({ workload }) => workload);
  }

  /** What was dispatched to it since the last read, with the hello or after it. */
  dispatches(): Dispatch[] {
    const fresh = [...this.#unread, ...this.read().dispatches];
    this.#unread = [];
    return fresh;
  }

  /** The one attempt that it was just given. */
  dispatched(): Dispatch {
    const fresh = this.dispatches();
    if (fresh.length !== 1) throw new Error(`${fresh.length} attempts were dispatched, not one`);
    return fresh[0]!;
  }

  verdicts(arrival: Arrival): Verdict[] {
    return this.connect(arrival).welcome?.worker?.verdicts ?? [];
  }

  results(...results: AttemptResult[]): void {
    this.send({ type: 'results', results });
  }

  succeed({ task, attempt }: AttemptRef, output = `output of ${attempt}`): void {
    this.results({ task, attempt, output: bytes(output), runMs: 10 });
  }

  fail({ task, attempt }: AttemptRef, code = 'broken', retryable = true): void {
    this.results({ task, attempt, error: { code, message: `it is ${code}`, retryable } });
  }

  chunk({ task, attempt }: AttemptRef, chunk: number, data = `part ${chunk}`): void {
    const chunks: UpOf<'chunks'>['chunks'] = [{ task, attempt, chunk, data: bytes(data) }];
    this.send({ type: 'chunks', chunks });
  }

  serve(...services: Service[]): void {
    this.send({ type: 'services', services });
  }

  drain(draining: boolean): void {
    this.send({ type: 'drain', draining });
  }

  /** The core's own picture of it. */
  get live(): Worker {
    return this.pool.state.workers.get(this.id)!;
  }

  /** Slots taken in the service `main`. */
  get used(): number | undefined {
    return this.live.services.get('main')?.used;
  }
}
