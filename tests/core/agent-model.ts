/** An agent that follows PROTOCOL.md: keeps results until they are acknowledged, and reports every attempt in its hello. */
import type { AttemptRef, AttemptResult } from '@rma/protocol/task';
import type { CoreMessage } from '@rma/server/core/inputs';
import { expect } from 'vitest';
import type { Pool, Sent } from './harness.js';
import { bytes, machine } from './peer.js';

/** How often the coordinator looks at what is overdue. */
const TICK_MS = 1_000;

const keyOf = ({ task, attempt }: AttemptRef): string => `${task}#${attempt}`;

export type Outcome = 'ok' | 'fail' | 'fail for good' | 'refuse' | 'hand back';

export interface AgentTraits {
  readonly kinds: readonly string[];
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
}

export class AgentModel {
  readonly #pool: Pool;
  readonly #traits: AgentTraits;
  readonly #joinToken: string;
  readonly #key: string;
  #token: string | undefined;
  #instance: string;
  #credential: string | undefined;
  id = '';
  session = 0;
  #welcomed = false;
  /** What it reported last. */
  #reported = { slots: 0, draining: false };
  slots: number;
  draining = false;
  /** Attempts that run, with the chunks that were made of each. */
  readonly running = new Map<string, AttemptRef & { chunks: number }>();
  /** Attempts that the coordinator stopped, not yet confirmed. */
  readonly stopping = new Map<string, AttemptRef & { sinceMs: number }>();
  readonly outbox = new Map<string, AttemptResult>();
  /** Every result that it ever sent. */
  readonly sent: AttemptResult[] = [];

  constructor(pool: Pool, traits: AgentTraits) {
    this.#pool = pool;
    this.#traits = traits;
    this.slots = traits.slots;
    this.#key = `key-${pool.nextId()}`.padEnd(16, '0');
    this.#instance = `instance-${pool.nextId()}`;
    this.#joinToken = pool.addToken({ role: 'join', usesLeft: 1 }).id;
  }

  /** Says hello on a new connection, whether or not there is one. */
  connect(): void {
    const pool = this.#pool;
    this.session = pool.nextId();
    this.#welcomed = false;
    this.#reported = { slots: this.slots, draining: this.draining };
    const n = pool.nextId();
    this.#credential = `t-${n}`;
    const token = this.#token;
    pool.push({
      type: 'hello',
      session: this.session,
      address: '10.0.0.1',
      token: token === undefined ? { id: this.#joinToken, role: 'join' } : { id: token, role: 'worker' },
      ...(token === undefined
        ? { candidate: { worker: `w-test${n}`, tokenId: this.#credential, credential: 'signed' } }
        : {}),
      message: {
        type: 'hello',
        protocol: 1,
        agent: { name: 'rma-worker', version: '0' },
        worker: {
          key: this.#key,
          instance: this.#instance,
          labels: { ...this.#traits.labels },
          hardware: machine(3),
          available: [],
          services: this.#services(),
          running: [...this.running.values(), ...this.stopping.values()].map(({ task, attempt }) => ({
            task,
            attempt,
            service: 'main',
          })),
          finished: [...this.outbox.values()].map(({ task, attempt }) => ({ task, attempt })),
          draining: this.draining,
        },
      },
    });
  }

  /** The process starts anew: what ran is gone, the outbox is not. */
  restart(): void {
    if (this.session !== 0) this.disconnect();
    this.running.clear();
    this.stopping.clear();
    this.#instance = `instance-${this.#pool.nextId()}`;
    this.connect();
  }

  /** Comes back, if it was away, with all its slots. */
  rest(): void {
    this.draining = false;
    this.slots = this.#traits.slots;
    this.connect();
  }

  disconnect(): void {
    this.#pool.push({ type: 'closed', session: this.session, reason: 'gone' });
    this.cut();
  }

  setSlots(slots: number): void {
    this.slots = slots;
    this.#report();
  }

  setDraining(draining: boolean): void {
    this.draining = draining;
    this.#report();
  }

  /** Reports what changed since it last did. */
  #report(): void {
    if (!this.#welcomed) return;
    const { slots, draining } = this;
    if (slots !== this.#reported.slots) this.#send({ type: 'services', services: this.#services() });
    if (draining !== this.#reported.draining) this.#send({ type: 'drain', draining });
    this.#reported = { slots, draining };
  }

  #services() {
    const { kinds } = this.#traits;
    return [
      { name: 'main', runtime: 'embedded' as const, state: 'healthy' as const, kinds: [...kinds], slots: this.slots },
    ];
  }

  /** An attempt comes to its end, online or not. */
  finish(pick: number, outcome: Outcome): void {
    const ref = picked(this.running, pick);
    if (!ref) return;
    this.running.delete(keyOf(ref));
    const { task, attempt } = ref;
    this.#end(
      outcome === 'ok'
        ? { task, attempt, output: bytes(`${task} by ${this.#key} in attempt ${attempt}`) }
        : { task, attempt, error: errorOf(outcome) },
    );
  }

  /** Confirms every stopped attempt. */
  confirmStops(): void {
    for (const { task, attempt } of this.stopping.values()) {
      this.#end({ task, attempt, error: { code: 'cancelled', message: 'stopped', retryable: false } });
    }
    this.stopping.clear();
  }

  #end(result: AttemptResult): void {
    this.outbox.set(keyOf(result), result);
    this.sent.push(result);
    this.#send({ type: 'results', results: [result] });
  }

  /** Sends a result of the past again, or one of an attempt that is not its own. */
  repeat(result: AttemptResult | undefined): void {
    if (result) this.#send({ type: 'results', results: [result] });
  }

  chunk(pick: number): void {
    const ref = picked(this.running, pick);
    if (!ref) return;
    const { task, attempt } = ref;
    ref.chunks++;
    this.#send({ type: 'chunks', chunks: [{ task, attempt, chunk: ref.chunks, data: bytes(`part ${ref.chunks}`) }] });
  }

  #send(message: CoreMessage): void {
    if (this.#welcomed) this.#pool.push({ type: 'message', session: this.session, message });
  }

  /** What the coordinator sent to the present session. */
  receive(sent: Sent): void {
    const { worker } = sent.welcome ?? {};
    if (worker) {
      this.#welcomed = true;
      this.id = worker.id;
      if (worker.credential !== undefined) this.#token = this.#credential;
      for (const { verdict, chunk = 0, ...ref } of worker.verdicts) this.#judge(ref, verdict, chunk);
    }
    for (const ref of sent.acknowledgedResults) this.outbox.delete(keyOf(ref));
    for (const { task, attempt } of sent.stops) {
      const key = keyOf({ task, attempt });
      if (this.running.delete(key)) this.stopping.set(key, { task, attempt, sinceMs: this.#pool.nowMs });
    }
    for (const { task, attempt } of sent.dispatches) {
      expect(this.occupied('main').least, `attempts on ${this.#reported.slots} slots`).toBeLessThan(
        this.#reported.slots,
      );
      expect(this.#reported.draining, 'a dispatch to a draining worker').toBe(false);
      this.running.set(keyOf({ task, attempt }), { task, attempt, chunks: 0 });
    }
    if (worker) this.#report();
    for (const { error } of sent.errors) expect.fail(`the agent was at fault: ${error.message}`);
  }

  /** Whether the coordinator knows all that this agent knows, as long as nothing is on its way. */
  get isInStep(): boolean {
    return this.#welcomed && this.slots === this.#reported.slots;
  }

  /**
   * In how many slots of a service its handlers run. The coordinator waits for the confirmation of a stop until its first
   * tick after `stopTimeoutMs`: of a handler that goes on for longer it may or may not know.
   */
  occupied(_service: string): { least: number; most: number } {
    const since = this.#pool.nowMs - this.#pool.state.settings.stopTimeoutMs;
    const stopping = [...this.stopping.values()];
    return {
      least: this.running.size + stopping.filter(({ sinceMs }) => sinceMs > since).length,
      most: this.running.size + stopping.filter(({ sinceMs }) => sinceMs > since - TICK_MS).length,
    };
  }

  #judge(ref: AttemptRef, verdict: string, chunk: number): void {
    const key = keyOf(ref);
    const runs = this.running.get(key);
    if (verdict === 'stop') {
      // The handler runs until it is confirmed to have stopped, in `confirmStops`.
      if (this.running.delete(key) || this.stopping.has(key)) {
        this.stopping.set(key, { ...ref, sinceMs: this.#pool.nowMs });
      } else this.repeat(this.outbox.get(key));
    } else if (verdict === 'drop') this.outbox.delete(key);
    else if (verdict === 'resend' || this.outbox.has(key)) this.repeat(this.outbox.get(key));
    else if (runs) {
      expect(runs.chunks, 'chunks stored that were never made').toBeGreaterThanOrEqual(chunk);
      for (let next = chunk + 1; next <= runs.chunks; next++) {
        this.#send({ type: 'chunks', chunks: [{ ...ref, chunk: next, data: bytes(`part ${next}`) }] });
      }
    } else expect(this.stopping.has(key), `${key} is to go on and does not run`).toBe(true);
  }

  /** The coordinator died. */
  cut(): void {
    this.session = 0;
    this.#welcomed = false;
  }
}

function picked<T>(from: ReadonlyMap<string, T>, pick: number): T | undefined {
  return from.size === 0 ? undefined : [...from.values()][pick % from.size];
}

function errorOf(outcome: Exclude<Outcome, 'ok'>): NonNullable<AttemptResult['error']> {
  if (outcome === 'refuse') return { code: 'refused', message: 'not here', retryable: true };
  if (outcome === 'hand back') return { code: 'cancelled', message: 'the worker leaves', retryable: true };
  return { code: 'broken', message: 'it is broken', retryable: outcome === 'fail' };
}
