/** A client that follows PROTOCOL.md: keeps what was not answered, sends it again, and expects each end that it watches. */
import type { TaskSpec } from '@rma/protocol/task';
import type { Outgoing } from '@rma/server/core/effects';
import type { HelloInput } from '@rma/server/core/inputs';
import { taskId } from '../core/peer.js';
import { type LineTraits, VirtualPeer } from './virtual-peer.js';
import type { World } from './world.js';

/** So many of its latest tasks it still asks about. */
const RECENT = 100;

export interface ClientTraits extends LineTraits {
  readonly seed: number;
  readonly owner: string;
  readonly meanGapMs: number;
  readonly maxBatch: number;
  /** It submits nothing while so many of its tasks wait or run. */
  readonly maxOpen: number;
  readonly kinds: readonly string[];
  /** Its clock is so far ahead. */
  readonly aheadMs: number;
  /** Sends a submit of long ago again. */
  readonly repeats: boolean;
  readonly timeoutMs: number;
}

export class VirtualClient extends VirtualPeer {
  readonly traits: ClientTraits;
  readonly #token: string;
  readonly #unanswered = new Map<string, TaskSpec>();
  /** Tasks whose end it waits for. */
  readonly #waiting = new Set<string>();
  /** Of this session: ends that may still be sent, by task; none is sent for another. */
  #watches = new Map<string, number>();
  readonly #recent: TaskSpec[] = [];
  readonly #old: TaskSpec[] = [];
  #ref = 0;

  constructor(world: World, traits: ClientTraits, token: string) {
    super(world, traits.seed, traits);
    this.traits = traits;
    this.#token = token;
    this.later(this.random.below(2_000), () => {
      this.start();
      this.#live();
    });
  }

  get isDone(): boolean {
    return this.#unanswered.size === 0 && this.#waiting.size === 0;
  }

  /** What it still waits for, for the message of a violation. */
  get waitsFor(): string {
    return [...this.#unanswered.keys(), ...this.#waiting].slice(0, 3).join(', ');
  }

  rest(): void {
    this.heal();
  }

  cancel(task: string): void {
    this.send({ type: 'cancel', ref: ++this.#ref, task });
  }

  protected hello(): Omit<HelloInput, 'session'> {
    this.#watches = new Map();
    return {
      type: 'hello',
      address: '10.0.0.2',
      token: { id: this.#token, role: 'client' },
      message: { type: 'hello', protocol: 1, agent: { name: 'simulator', version: '0' } },
    };
  }

  #live(): void {
    const gapMs = Math.ceil(-Math.log(1 - this.random.next()) * this.traits.meanGapMs);
    this.later(gapMs, () => {
      if (this.world.isResting) return;
      this.#live();
      if (!this.isWelcomed) return;
      const draw = this.random.next();
      const spec = this.#recent.length > 0 ? this.random.pick(this.#recent) : undefined;
      if (draw < 0.75 || !spec) this.#submitSome();
      else if (draw < 0.85) this.cancel(spec.id);
      else if (draw < 0.9) this.#watch([spec.id]);
      else if (draw < 0.93) this.#unwatch(spec.id);
      else if (draw < 0.97) this.#submit([spec], this.random.chance(0.5));
      else if (draw < 0.98) this.hangUp();
      else if (this.traits.repeats && this.#old.length > 0) this.#submit([this.random.pick(this.#old)], false);
    });
  }

  #submitSome(): void {
    if (this.#waiting.size + this.#unanswered.size >= this.traits.maxOpen) return;
    const specs = Array.from({ length: 1 + this.random.below(this.traits.maxBatch) }, () => this.#spec());
    this.#recent.push(...specs);
    for (const old of this.#recent.splice(0, this.#recent.length - RECENT)) {
      if (this.#old.length < RECENT) this.#old.push(old);
    }
    this.#submit(specs, this.random.chance(0.9));
  }

  #spec(): TaskSpec {
    const { random, world, traits } = this;
    const { wallMs } = world.coordinator;
    const spec: TaskSpec = {
      id: taskId(world.nextNumber(), wallMs + traits.aheadMs),
      kind: random.pick(traits.kinds),
      input: world.payload(random),
      timeoutMs: random.chance(0.1) ? traits.timeoutMs : 600_000,
      backoffMs: random.pick([0, 200, 2_000]),
    };
    if (random.chance(0.3)) spec.priority = random.below(7) - 3;
    if (random.chance(0.1)) spec.ttlMs = 1 + random.below(20_000);
    if (random.chance(0.05)) spec.notBefore = wallMs + random.below(10_000);
    if (random.chance(0.1)) spec.maxAttempts = 1 + random.below(5);
    const label = random.chance(0.2) ? world.anyLabel(random) : undefined;
    if (label) spec.constraints = { labels: { site: label } };
    return spec;
  }

  #submit(specs: readonly TaskSpec[], watch: boolean): void {
    for (const spec of specs) {
      this.world.contract.submitted(spec.id, this.traits.owner);
      this.#unanswered.set(spec.id, spec);
      if (watch) this.#expectEnd(spec.id);
    }
    const size = specs.reduce((sum, { input }) => sum + input.length + 100, 0);
    this.send({ type: 'submit', tasks: [...specs], watch }, size);
  }

  #watch(tasks: readonly string[]): void {
    for (const id of tasks) this.#expectEnd(id);
    this.send({ type: 'watch', tasks: tasks.map((task) => ({ task })) }, tasks.length * 40);
  }

  #unwatch(task: string): void {
    this.#waiting.delete(task);
    // An end may be on its way.
    this.send({ type: 'unwatch', tasks: [task] });
  }

  #expectEnd(task: string): void {
    this.#waiting.add(task);
    this.#watches.set(task, (this.#watches.get(task) ?? 0) + 1);
  }

  protected received(outgoing: Outgoing): void {
    const { judge } = this.world;
    for (const { task } of outgoing.refused) {
      this.#unanswered.delete(task);
      this.#waiting.delete(task);
    }
    for (const id of outgoing.accepted) this.#unanswered.delete(id);
    for (const { task } of outgoing.ended) {
      this.#waiting.delete(task);
      const left = (this.#watches.get(task) ?? 0) - 1;
      if (left < 0) judge.broken('end told wrongly', `${task} ended once more for ${this.traits.owner}`);
      this.#watches.set(task, left);
    }
    if (outgoing.welcome) this.#resume();
  }

  /** Sends again what was not answered, and watches the rest. */
  #resume(): void {
    const specs = [...this.#unanswered.values()];
    for (let at = 0; at < specs.length; at += 50) this.#submit(specs.slice(at, at + 50), true);
    const rest = [...this.#waiting].filter((id) => !this.#unanswered.has(id));
    for (let at = 0; at < rest.length; at += 500) this.#watch(rest.slice(at, at + 500));
  }
}
