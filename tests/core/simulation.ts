/** Simulates clients and agents through a list of actions: invariants are checked after each turn, and at rest. */
import { isTerminal, type TaskSpec } from '@rma/protocol/task';
import { expect } from 'vitest';
import { AgentModel, type Outcome } from './agent-model.js';
import { ClientModel } from './client-model.js';
import { type CrashPoint, Pool, type Sent } from './harness.js';
import { checkInvariants, type Endings } from './invariants.js';
import { MemoryStore, type SyncStore } from './memory-store.js';
import { bytes, taskId } from './peer.js';

export type SimulationAction =
  | { do: 'submit'; client: number; tasks: readonly Partial<TaskSpec>[]; watch: boolean }
  | { do: 'submit again'; pick: number }
  | { do: 'cancel'; pick: number }
  | { do: 'watch'; pick: number }
  | { do: 'unwatch'; pick: number }
  | { do: 'leave'; client: number }
  | { do: 'connect' | 'restart' | 'disconnect' | 'confirm stops' | 'repeat'; agent: number; pick: number }
  | { do: 'forge'; agent: number; pick: number }
  | { do: 'finish'; agent: number; pick: number; outcome: Outcome }
  | { do: 'chunk'; agent: number; pick: number }
  | { do: 'slots'; agent: number; slots: number }
  | { do: 'drain'; agent: number; draining: boolean }
  | { do: 'wait'; ms: number }
  | { do: 'crash'; at: CrashPoint };

export interface Step {
  readonly action: SimulationAction;
  /** Nothing of it is handled before the next step. */
  readonly held: boolean;
}

const AGENTS = [
  { kinds: ['echo', 'ocr.read'], slots: 2, labels: { site: 'a' } },
  { kinds: ['echo'], slots: 1, labels: {} },
  { kinds: ['ocr.read'], slots: 3, labels: { site: 'b' } },
] as const;

const SETTINGS = { windowTasks: 4, windowBytes: 4_000, maxOpenPerOwner: 25, maxLanesPerOwner: 3 } as const;

export class Simulation {
  readonly pool: Pool;
  readonly agents: AgentModel[];
  readonly #clients: ClientModel[];
  readonly #specs: TaskSpec[] = [];
  readonly #accepted = new Set<string>();
  readonly #owners = new Map<string, ClientModel>();
  readonly #endings: Endings = new Map();
  /** Whom each attempt was given to. */
  readonly #dispatched = new Map<string, AgentModel>();
  /** All that was ever sent, in order. */
  readonly log: [session: number, sent: Sent][] = [];

  constructor(store: SyncStore = new MemoryStore()) {
    this.pool = new Pool({ store, settings: SETTINGS });
    this.pool.onSent = (session, sent) => this.#received(session, sent);
    this.agents = AGENTS.map((traits) => new AgentModel(this.pool, traits));
    this.#clients = ['alice', 'bob'].map((owner) => new ClientModel(this.pool, owner, this.#accepted));
  }

  run(steps: readonly Step[]): void {
    for (const { action, held } of steps) {
      this.#perform(action);
      if (!held) this.#turns();
    }
    this.#turns();
  }

  #turns(): void {
    for (let turn = 0; turn === 0 || this.pool.pending; turn++) {
      if (turn > 200) expect.fail('the pool does not settle');
      this.pool.turn();
      if (this.pool.store instanceof MemoryStore) checkInvariants(this.pool, this.#endings, this.agents);
    }
  }

  #perform(action: SimulationAction): void {
    switch (action.do) {
      case 'submit': {
        const client = this.#clients[action.client % this.#clients.length]!;
        const tasks = action.tasks.map((fields) => this.#spec(fields, client));
        client.connect();
        client.submit(tasks, action.watch);
        return;
      }
      case 'submit again':
        this.#about(action.pick, (client, spec) => client.submit([spec], false));
        return;
      case 'cancel':
        this.#about(action.pick, (client, { id }) => client.cancel(id));
        return;
      case 'watch':
        this.#about(action.pick, (client, { id }) => client.watch(id));
        return;
      case 'unwatch':
        this.#about(action.pick, (client, { id }) => client.unwatch(id));
        return;
      case 'leave':
        this.#clients[action.client % this.#clients.length]!.leave();
        return;
      case 'wait':
        this.pool.nowMs += action.ms;
        this.pool.wallMs += action.ms;
        return;
      case 'crash':
        this.pool.turn(action.at);
        for (const agent of this.agents) agent.cut();
        for (const client of this.#clients) client.cut();
        return;
      default:
        this.#instruct(this.agents[action.agent % this.agents.length]!, action);
    }
  }

  #instruct(agent: AgentModel, action: Extract<SimulationAction, { agent: number }>): void {
    switch (action.do) {
      case 'connect':
        agent.connect();
        return;
      case 'restart':
        agent.restart();
        return;
      case 'disconnect':
        if (agent.session !== 0) agent.disconnect();
        return;
      case 'confirm stops':
        agent.confirmStops();
        return;
      case 'repeat':
        agent.repeat(agent.sent[action.pick % Math.max(1, agent.sent.length)]);
        return;
      case 'forge': {
        const spec = this.#picked(action.pick);
        if (!spec) return;
        const running = [...this.pool.state.running].find(({ id }) => id === spec.id);
        const attempt = running?.attempt ?? 1 + (action.pick % 3);
        if (this.#dispatched.get(`${spec.id}#${attempt}`) === agent) return;
        agent.repeat({ task: spec.id, attempt, output: bytes('forged') });
        return;
      }
      case 'finish':
        agent.finish(action.pick, action.outcome);
        return;
      case 'chunk':
        agent.chunk(action.pick);
        return;
      case 'slots':
        agent.setSlots(action.slots);
        return;
      case 'drain':
        agent.setDraining(action.draining);
        return;
    }
  }

  #spec(fields: Partial<TaskSpec>, owner: ClientModel): TaskSpec {
    const { notBefore, ...rest } = fields;
    const spec: TaskSpec = {
      id: taskId(this.pool.nextId(), this.pool.wallMs),
      kind: 'echo',
      input: bytes('input'),
      ...rest,
      ...(notBefore === undefined ? {} : { notBefore: this.pool.wallMs + notBefore }),
    };
    this.#specs.push(spec);
    this.#owners.set(spec.id, owner);
    return spec;
  }

  #picked(pick: number): TaskSpec | undefined {
    return this.#specs.length === 0 ? undefined : this.#specs[pick % this.#specs.length];
  }

  /** Lets the owner of a task do something with it. */
  #about(pick: number, act: (client: ClientModel, spec: TaskSpec) => void): void {
    const spec = this.#picked(pick);
    const client = spec && this.#owners.get(spec.id);
    if (!client) return;
    client.connect();
    act(client, spec);
  }

  #received(session: number, sent: Sent): void {
    this.log.push([session, sent]);
    const agent = this.agents.find((one) => one.session === session);
    for (const { task, attempt } of sent.dispatches) {
      const key = `${task}#${attempt}`;
      expect(this.#dispatched.has(key), `${key} is dispatched a second time`).toBe(false);
      if (agent) this.#dispatched.set(key, agent);
    }
    if (agent) {
      this.#acknowledged(agent, sent);
      agent.receive(sent);
    }
    this.#clients.find((one) => one.session === session)?.receive(sent);
  }

  /** An acknowledged result is on disk, or it no longer counts. */
  #acknowledged(agent: AgentModel, sent: Sent): void {
    for (const { task, attempt } of sent.acknowledgedResults) {
      const [row] = this.pool.store.fetch([task]);
      // What was forged before this attempt began was void.
      if (!agent.outbox.has(`${task}#${attempt}`)) continue;
      const counts = row?.state === 'running' && row.attempt === attempt && row.worker === agent.id;
      expect(counts, `the result of ${task}#${attempt} is acknowledged and not on disk`).toBe(false);
    }
  }

  /** Everybody is back and does its work: then every accepted task ends, and nothing is left of any. */
  rest(): void {
    this.#turns();
    for (const agent of this.agents) agent.rest();
    for (let round = 0; round < 400; round++) {
      for (const client of this.#clients) client.connect();
      for (const agent of this.agents) {
        agent.confirmStops();
        for (let n = agent.running.size; n > 0; n--) agent.finish(0, 'ok');
      }
      this.#perform({ do: 'wait', ms: 5_000 });
      this.#turns();
      if (this.pool.state.openPerOwner.size === 0) break;
    }
    this.#perform({ do: 'wait', ms: 60_000 });
    this.#turns();
    this.#checkRest();
  }

  #checkRest(): void {
    const { state, store } = this.pool;
    for (const id of this.#accepted) {
      const [row] = store.fetch([id]);
      expect(row && isTerminal(row.state), `${id} is ${row?.state} for ever`).toBe(true);
    }
    for (const client of this.#clients) client.checkRest();
    expect({
      tasks: state.tasks.size,
      running: state.running.size,
      queued: state.queued,
      scheduled: state.scheduled,
      lanes: state.lanes.size,
      watchers: state.watchers.size,
      owners: state.openPerOwner.size,
      ready: state.ready.size,
      used: [...state.workers.values()].flatMap(({ services }) => [...services.values()].map(({ used }) => used)),
      attempts: [...state.workers.values()].reduce((sum, { attempts }) => sum + attempts.size, 0),
    }).toEqual({
      tasks: 0,
      running: 0,
      queued: 0,
      scheduled: 0,
      lanes: 0,
      watchers: 0,
      owners: 0,
      ready: 0,
      used: [0, 0, 0],
      attempts: 0,
    });
    for (const agent of this.agents) expect([...agent.outbox.keys()]).toEqual([]);
  }
}
