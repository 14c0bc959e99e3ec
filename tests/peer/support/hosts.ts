/** The two programs that stand behind `@rma/peer`, driven alike: the agent, and the SDK in either subprotocol. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, createAgent } from '@rma/agent/agent';
import { type Client, type ConnectionChange, connect, ProtocolError } from '@rma/client';
import type { Welcome } from '@rma/protocol/down';
import { type Payload, packPayload } from '@rma/protocol/payload';
import { SUBPROTOCOLS, type Subprotocol } from '@rma/protocol/version';
import { NO_ASSIGNMENT, taskId } from '../../agent/link/support/coordinator.js';
import { HARDWARE, HeldRuntime } from '../../agent/link/support/fixture.js';
import type { ScriptedSession } from './scripted-coordinator.js';

const WELCOME: Omit<Welcome, 'role'> = {
  type: 'welcome',
  protocol: 1,
  session: 's-1',
  subject: 'tester',
  server: { name: 'script', version: '0' },
  features: ['blobs'],
  heartbeatMs: 3_000,
  silenceMs: 8_000,
};
const TASK = taskId(1);

export interface Host {
  readonly name: string;
  readonly role: 'client' | 'worker';
  start(url: string): Promise<void>;
  welcome(): Welcome;
  /** Whether it knows that it has a session. */
  isOnline(): boolean;
  /** Why there is no session, and the wait before the next dial in ms; undefined before the first loss. */
  lost(): { reason: string; afterMs: number } | undefined;
  /** Why it dials no more; undefined while it does. */
  ended(): string | undefined;
  /** Has it send a value of its own, by a task; as soon as it is asked to (`session`), where it must be asked. */
  sendValue(value: unknown, session: ScriptedSession): void;
  /** The message that follows once all blobs of that value are stored. */
  sentBy: 'submit' | 'results';
  /** Has it receive a value; resolves with it, or rejects with what went wrong. */
  receiveValue(payload: Payload, blobs: string[], session: ScriptedSession): Promise<unknown>;
  /** Makes it send several messages in one tick. */
  sendMany(
    session: ScriptedSession,
  ): Promise<readonly ('query' | 'watch' | 'submit' | 'chunks' | 'progress' | 'results')[]>;
  stop(): Promise<void>;
}

class SdkHost implements Host {
  readonly name: string;
  readonly role = 'client';
  readonly sentBy = 'submit';
  readonly #subprotocol: Subprotocol;
  #client: Client | undefined;
  #change: ConnectionChange | undefined;

  constructor(subprotocol: Subprotocol) {
    this.name = `SDK, ${subprotocol}`;
    this.#subprotocol = subprotocol;
  }

  get client(): Client {
    if (!this.#client) throw new Error('not started');
    return this.#client;
  }

  async start(url: string): Promise<void> {
    this.#client = connect({
      url,
      token: 'a token',
      subprotocol: this.#subprotocol,
      onConnection: (change) => {
        this.#change = change;
      },
    });
  }

  welcome(): Welcome {
    return { ...WELCOME, role: 'client' };
  }

  isOnline(): boolean {
    return this.#change?.state === 'connected';
  }

  lost(): { reason: string; afterMs: number } | undefined {
    if (this.#change?.state !== 'disconnected') return undefined;
    return { reason: this.#change.reason, afterMs: this.#change.retryInMs };
  }

  ended(): string | undefined {
    const lost = this.lost();
    return lost?.afterMs === Number.POSITIVE_INFINITY ? lost.reason : undefined;
  }

  sendValue(value: unknown): void {
    this.client.submit('echo', value);
  }

  async receiveValue(output: Payload, blobs: string[], session: ScriptedSession): Promise<unknown> {
    const task = this.client.submit('echo', 1);
    await session.next('submit');
    const times = { submittedAt: 1_000, startedAt: 1_200, endedAt: 1_500 };
    const end = { task: task.id, state: 'succeeded', output, blobs, attempts: 1, ...times } as const;
    session.send({ type: 'accepted', tasks: [task.id] }, { type: 'ended', tasks: [end] });
    return task.output();
  }

  async sendMany() {
    const ignored = (error: unknown) => {
      if (!(error instanceof Error)) throw error;
    };
    this.client.stats().catch(ignored);
    this.client.watch(TASK).result().catch(ignored);
    this.client.submit('echo', 1);
    return ['query', 'watch', 'submit'] as const;
  }

  async stop(): Promise<void> {
    await this.#client?.close();
  }
}

class AgentHost implements Host {
  readonly name = 'agent';
  readonly role = 'worker';
  readonly sentBy = 'results';
  readonly #directory = mkdtempSync(join(tmpdir(), 'rma-peer-'));
  readonly #runtime = new HeldRuntime();
  #agent: Agent | undefined;
  #end: string | undefined;

  async start(url: string): Promise<void> {
    const stateDir = join(this.#directory, 'state');
    const shape = { hardware: HARDWARE, sample: false as const, runtimes: [this.#runtime] };
    const agent = createAgent({ url, token: 'a token', stateDir, name: 'test', ...shape });
    this.#agent = agent;
    void agent.ended.then(({ message }) => {
      this.#end = message ?? 'done';
    });
    await agent.start();
  }

  welcome(): Welcome {
    const worker = { id: 'w-test', name: 'test', verdicts: [], assignment: NO_ASSIGNMENT };
    return { ...WELCOME, role: 'worker', worker };
  }

  isOnline(): boolean {
    return this.#agent?.online === true;
  }

  lost(): { reason: string; afterMs: number } | undefined {
    const disconnected = this.#agent?.status().disconnected;
    if (!disconnected) return undefined;
    return { reason: disconnected.reason, afterMs: Date.parse(disconnected.retryAt) - Date.now() };
  }

  ended(): string | undefined {
    return this.#end;
  }

  sendValue(value: unknown, session: ScriptedSession): void {
    this.#runtime.reply = () => ({ ok: true, output: value });
    this.#dispatch(session, packPayload(null), []);
  }

  receiveValue(payload: Payload, blobs: string[], session: ScriptedSession): Promise<unknown> {
    const value = new Promise<unknown>((resolve, reject) => {
      this.#runtime.reply = ({ input }) => {
        resolve(input);
        return { ok: true, output: null };
      };
      void session.next('results').then(({ results: [result] }) => {
        if (result?.error) reject(new ProtocolError('invalid', `${result.error.code}: ${result.error.message}`));
      });
    });
    this.#dispatch(session, payload, blobs);
    return value;
  }

  async sendMany(session: ScriptedSession) {
    this.#runtime.reply = (_, listener) => {
      listener.progress(0.5);
      listener.chunk('a');
      return { ok: true, output: 'done' };
    };
    this.#dispatch(session, packPayload(null), []);
    return ['chunks', 'progress', 'results'] as const;
  }

  async stop(): Promise<void> {
    await this.#agent?.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #dispatch(session: ScriptedSession, input: Payload, blobs: string[]): void {
    const task = { task: TASK, attempt: 1, kind: 'echo', input, timeoutMs: 60_000 };
    session.send({ type: 'dispatch', tasks: [blobs.length > 0 ? { ...task, blobs } : task] });
  }
}

/** The agent speaks MessagePack alone: its outbox holds the frames that it sends. */
export const HOSTS: readonly (readonly [string, () => Host])[] = [
  ...SUBPROTOCOLS.map((name) => [`SDK, ${name}`, () => new SdkHost(name)] as const),
  ['agent', () => new AgentHost()] as const,
];
