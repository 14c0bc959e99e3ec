/** A worker that follows PROTOCOL.md and counts its own slots: what it runs, what was stopped and still runs, its outbox. */
import type { Failure } from '@rma/protocol/task';
import type { Service } from '@rma/protocol/worker';
import type { Outgoing } from '@rma/server/core/effects';
import type { HelloInput } from '@rma/server/core/inputs';
import type { Task } from '@rma/server/core/task';
import { bytes, machine } from '../core/peer.js';
import { keyOf } from './contract.js';
import { type LineTraits, VirtualPeer } from './virtual-peer.js';
import type { World } from './world.js';

/** The coordinator waits so long, and no longer, for a stopped attempt's end. */
const STOP_MS = 60_000;

export interface WorkerTraits extends LineTraits {
  readonly seed: number;
  /** Two of them serve the same kinds, or have none in common. */
  readonly services: readonly { readonly name: string; readonly kinds: readonly string[]; readonly slots: number }[];
  readonly labels: Readonly<Record<string, string>>;
  readonly meanRunMs: number;
  /** Shares of the attempts that fail, and that are refused. */
  readonly fails: number;
  readonly refuses: number;
  /** Sends results of attempts that it was never given. */
  readonly forges: boolean;
  /** Mean time between two changes of its services or of its readiness. */
  readonly meanChangeMs: number;
}

interface Running {
  readonly task: string;
  readonly attempt: number;
  readonly kind: string;
  readonly endsAtMs: number;
  chunks: number;
  /** It ran when the coordinator was started anew. */
  isKept: boolean;
}

interface Stopping {
  readonly kind: string;
  readonly sinceMs: number;
  readonly byVerdict: boolean;
}

interface Finished {
  readonly output?: Uint8Array;
  readonly error?: Failure & { readonly retryable: boolean };
  readonly inTime: boolean;
}

export class VirtualWorker extends VirtualPeer {
  readonly traits: WorkerTraits;
  readonly #key: string;
  readonly #joinToken: string;
  #token: string | undefined;
  #candidate: string | undefined;
  #instance = 0;
  id = '';
  readonly #running = new Map<string, Running>();
  readonly #stopping = new Map<string, Stopping>();
  readonly outbox = new Map<string, Finished>();
  /** Results that a verdict of this session asked for. */
  readonly #toResend = new Set<string>();
  #slots: Map<string, number>;
  #draining = false;
  #changedAtMs = 0;
  /** Something changed that no hello and no message has said. */
  #isUnreported = false;

  constructor(world: World, traits: WorkerTraits, joinToken: string) {
    super(world, traits.seed, traits);
    this.traits = traits;
    this.#key = `key-${traits.seed}`.padEnd(16, '0');
    this.#joinToken = joinToken;
    this.#slots = new Map(traits.services.map(({ name, slots }) => [name, slots]));
    this.later(this.random.below(2_000), () => this.boot());
  }

  /** The program starts: what ran is gone, the outbox is not. */
  boot(): void {
    this.#running.clear();
    this.#stopping.clear();
    this.#instance++;
    this.revived();
    this.#live();
  }

  /** The program, or with `silently` the machine, is gone for a while. */
  restart(downMs: number, silently: boolean): void {
    this.die(silently);
    this.world.queue.after(downMs, () => {
      if (!this.isUp) this.boot();
    });
  }

  get anyTask(): string | undefined {
    for (const { task } of this.#running.values()) return task;
    return undefined;
  }

  isRunning(task: string, attempt: number): boolean {
    return this.#running.has(keyOf(task, attempt));
  }

  /** A verdict asked for the result of this attempt, which was made within its time, and it is not acknowledged. */
  wasToResend(task: string, attempt: number): boolean {
    const key = keyOf(task, attempt);
    return this.#toResend.has(key) && this.outbox.get(key)?.inTime === true;
  }

  /** Everybody is well again: what runs ends soon, with an output, and all slots are back. */
  rest(): void {
    this.heal();
    if (!this.isUp) this.boot();
    this.#draining = false;
    this.#slots = new Map(this.traits.services.map(({ name, slots }) => [name, Math.max(1, slots)]));
    this.#report();
  }

  /** Why a task must not go there, as far as the coordinator can know; undefined where it may. */
  mayNotGet({ kind, options }: Task): string | undefined {
    if (!this.traits.services.some(({ kinds }) => kinds.includes(kind))) return `does not serve ${kind}`;
    for (const [name, value] of Object.entries(options?.constraints?.labels ?? {})) {
      if (this.traits.labels[name] !== value) return `lacks the label ${name}=${value}`;
    }
    return undefined;
  }

  /** It could take this task now, and could have since `sinceMs`. */
  isIdleFor(row: Task, sinceMs: number): boolean {
    if (!this.isInStep || this.#isUnreported || this.#draining || this.#changedAtMs > sinceMs) return false;
    return this.mayNotGet(row) === undefined && this.#free(row.kind) > 0;
  }

  #free(kind: string): number {
    const { nowMs } = this.world.queue;
    let free = 0;
    const serving = this.traits.services.filter(({ kinds }) => kinds.includes(kind));
    for (const { name } of serving) free += this.#slots.get(name) ?? 0;
    const isOfThese = (other: string): boolean => serving.some(({ kinds }) => kinds.includes(other));
    for (const running of this.#running.values()) if (isOfThese(running.kind)) free--;
    for (const { kind: other, sinceMs } of this.#stopping.values()) {
      if (isOfThese(other) && sinceMs > nowMs - STOP_MS) free--;
    }
    return free;
  }

  protected hello(): Omit<HelloInput, 'session'> {
    const token = this.#token;
    this.#candidate = this.world.nextId('t');
    this.#toResend.clear();
    this.#isUnreported = false;
    this.#changedAtMs = this.world.queue.nowMs;
    const reported = [...this.#running.values()].map(({ task, attempt }) => ({ task, attempt }));
    const stopping = [...this.#stopping].filter(([, { byVerdict }]) => !byVerdict).map(([key]) => refOf(key));
    return {
      type: 'hello',
      address: '10.0.0.1',
      token: token === undefined ? { id: this.#joinToken, role: 'join' } : { id: token, role: 'worker' },
      candidate: { worker: this.world.nextId('w'), tokenId: this.#candidate, credential: 'signed' },
      message: {
        type: 'hello',
        protocol: 1,
        agent: { name: 'rma-worker', version: '0' },
        worker: {
          key: this.#key,
          instance: `instance-${this.#instance}`,
          labels: { ...this.traits.labels },
          hardware: machine(3),
          available: [],
          services: this.#services(),
          running: [...reported, ...stopping],
          finished: [...this.outbox.keys()].map(refOf),
          draining: this.#draining,
        },
      },
    };
  }

  #services(): Service[] {
    return this.traits.services.map(({ name, kinds }) => ({
      name,
      runtime: 'embedded',
      state: 'healthy',
      kinds: [...kinds],
      slots: this.#slots.get(name) ?? 0,
    }));
  }

  #report(): void {
    this.#changedAtMs = this.world.queue.nowMs;
    this.#isUnreported = !this.isWelcomed;
    this.send({ type: 'services', services: this.#services() }, 200);
    this.send({ type: 'drain', draining: this.#draining });
  }

  /** From time to time slots change, or it drains for a while. */
  #live(): void {
    this.later(this.#exponential(this.traits.meanChangeMs), () => {
      if (this.world.isResting) return;
      this.#live();
      // Slots that shrink below what runs are counted by service, and a dispatch names none: only one service changes them.
      const isOne = this.traits.services.length === 1;
      if (!isOne || this.random.chance(0.2) || this.#draining) this.#draining = !this.#draining;
      else {
        const { name, slots } = this.random.pick(this.traits.services);
        this.#slots.set(name, this.random.below(slots + 2));
      }
      this.#report();
      if (this.traits.forges) this.#forge();
    });
  }

  #forge(): void {
    const row = this.world.anyRunning(this.random);
    if (!row || row.worker === this.id) return;
    const result = { task: row.id, attempt: row.attempt, output: bytes('forged') };
    this.send({ type: 'results', results: [result] });
  }

  protected received(outgoing: Outgoing, reports: number): void {
    const { welcome } = outgoing;
    if (welcome?.worker) {
      if (welcome.worker.credential !== undefined) this.#token = this.#candidate;
      for (const { task, attempt, verdict, chunk } of welcome.worker.verdicts) {
        this.#judged(task, attempt, verdict, chunk ?? 0);
      }
    }
    for (const { task, attempt } of outgoing.acknowledgedResults) this.outbox.delete(keyOf(task, attempt));
    for (const { task, attempt } of outgoing.stops) this.#stop(task, attempt, false);
    if (outgoing.dispatches.length > 0) this.#changedAtMs = this.world.queue.nowMs;
    const isInStep = reports === this.connection?.reportsSent && !this.#isUnreported;
    for (const { task, attempt, kind, timeoutMs } of outgoing.dispatches) {
      if (isInStep) this.#checkSlots(keyOf(task, attempt), kind);
      this.#begin(task, attempt, kind, timeoutMs);
    }
    for (const { error } of outgoing.errors) {
      if (error.kind !== 'storage_full') throw new Error(`the worker ${this.id} was at fault: ${error.message}`);
    }
    if (welcome?.worker) this.#report();
  }

  #checkSlots(key: string, kind: string): void {
    if (this.#free(kind) > 0) return;
    const { judge } = this.world;
    const what = `${key} of ${kind} comes to ${this.id}, which has ${this.#free(kind)} slots free`;
    const kept = [...this.#running.values()].some(({ isKept }) => isKept);
    if ([...this.#stopping.values()].some(({ byVerdict }) => byVerdict))
      judge.broken('out of slots after a verdict', what);
    else if (kept && this.traits.services.length > 1) judge.broken('out of slots after a restart', what);
    else judge.broken('out of slots', what);
  }

  #begin(task: string, attempt: number, kind: string, timeoutMs: number): void {
    const key = keyOf(task, attempt);
    if (this.#running.has(key) || this.outbox.has(key)) return;
    if (this.random.chance(this.world.isResting ? 0 : this.traits.refuses)) {
      this.world.contract.failed(task, this);
      this.#finish(task, attempt, { error: { code: 'refused', message: 'not here', retryable: true }, inTime: true });
      return;
    }
    const runMs = this.world.isResting ? this.random.below(500) : this.#exponential(this.traits.meanRunMs);
    const endsAtMs = this.world.queue.nowMs + Math.min(runMs, timeoutMs);
    this.#running.set(key, { task, attempt, kind, endsAtMs, chunks: 0, isKept: false });
    if (this.random.chance(0.05)) this.later(Math.min(runMs, timeoutMs) / 2, () => this.#stream(key));
    this.later(Math.min(runMs, timeoutMs), () => this.#ended(key, runMs > timeoutMs));
  }

  #ended(key: string, isLate: boolean): void {
    const running = this.#running.get(key);
    if (!running) return;
    this.#running.delete(key);
    const { task, attempt } = running;
    if (isLate) {
      this.#finish(task, attempt, { error: { code: 'timeout', message: 'too slow', retryable: true }, inTime: false });
    } else if (this.random.chance(this.world.isResting ? 0 : this.traits.fails)) {
      this.world.contract.failed(task, this);
      const retryable = this.random.chance(0.9);
      this.#finish(task, attempt, { error: { code: 'broken', message: 'it broke', retryable }, inTime: true });
    } else {
      this.world.contract.made(task, attempt, this.id);
      this.#finish(task, attempt, { output: this.world.payload(this.random), inTime: true });
    }
  }

  #finish(task: string, attempt: number, finished: Finished): void {
    this.#changedAtMs = this.world.queue.nowMs;
    this.outbox.set(keyOf(task, attempt), finished);
    this.#sendResult(keyOf(task, attempt));
  }

  #sendResult(key: string): void {
    const finished = this.outbox.get(key);
    if (!finished) return;
    const { inTime: _, ...result } = finished;
    this.send({ type: 'results', results: [{ ...refOf(key), ...result }] }, finished.output?.length ?? 40);
  }

  #stream(key: string): void {
    const running = this.#running.get(key);
    if (!running) return;
    running.chunks++;
    this.#sendChunk(key, running.chunks);
  }

  #sendChunk(key: string, chunk: number): void {
    this.send({ type: 'chunks', chunks: [{ ...refOf(key), chunk, data: bytes(`part ${chunk}`) }] }, 40);
  }

  /** The handler of a stopped attempt takes a moment to end; a verdict wants no result of it. */
  #stop(task: string, attempt: number, byVerdict: boolean): void {
    const key = keyOf(task, attempt);
    const running = this.#running.get(key);
    if (!running) return;
    this.#running.delete(key);
    this.#stopping.set(key, { kind: running.kind, sinceMs: this.world.queue.nowMs, byVerdict });
    this.later(this.random.below(3_000), () => {
      const stopping = this.#stopping.get(key);
      if (!stopping) return;
      this.#stopping.delete(key);
      this.#changedAtMs = this.world.queue.nowMs;
      const error = { code: 'cancelled', message: 'stopped', retryable: false };
      this.#finish(task, attempt, { error, inTime: true });
    });
  }

  #judged(task: string, attempt: number, verdict: string, chunk: number): void {
    const key = keyOf(task, attempt);
    const running = this.#running.get(key);
    if (verdict === 'stop') {
      const stopping = this.#stopping.get(key);
      if (stopping) this.#stopping.set(key, { ...stopping, byVerdict: true });
      else this.#stop(task, attempt, true);
      this.outbox.delete(key);
    } else if (verdict === 'drop') this.outbox.delete(key);
    else if (verdict === 'resend' || this.outbox.has(key)) {
      if (verdict === 'resend') this.#toResend.add(key);
      this.#sendResult(key);
    } else if (running) {
      running.isKept = true;
      if (running.chunks < chunk) this.world.judge.broken('wrong verdict', `${key} has no chunk ${chunk}`);
      for (let next = chunk + 1; next <= running.chunks; next++) this.#sendChunk(key, next);
    } else if (!this.#stopping.has(key))
      this.world.judge.broken('wrong verdict', `${key} is to go on, and does not run`);
  }

  #exponential(mean: number): number {
    return Math.ceil(-Math.log(1 - this.random.next()) * mean);
  }
}

function refOf(key: string): { task: string; attempt: number } {
  const at = key.lastIndexOf('#');
  return { task: key.slice(0, at), attempt: Number(key.slice(at + 1)) };
}
