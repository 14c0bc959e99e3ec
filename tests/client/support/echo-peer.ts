/**
 * A peer that serves the command line: welcomes, accepts, answers. What it answers is the test's choice. It remembers
 * ends across its own restarts as a coordinator does, because a client asks for them again.
 */
import { unpackPayload } from '@rma/protocol/payload';
import type { TaskEnd, TaskSpec } from '@rma/protocol/task';
import type { UpOf } from '@rma/protocol/up';
import { type PeerSession, PoolPeer, succeeded } from './pool-peer.js';

export interface Answers {
  /** Undefined: the task goes on running. */
  end(task: TaskSpec, input: unknown): TaskEnd | undefined;
  reply?(message: UpOf<'query'> | UpOf<'act'>): unknown;
}

export class EchoPeer {
  submits: TaskSpec[] = [];
  readonly #answers: Answers;
  readonly #ends = new Map<string, TaskEnd>();
  #peer: PoolPeer;
  #stopped = false;

  private constructor(peer: PoolPeer, answers: Answers) {
    this.#peer = peer;
    this.#answers = answers;
    void this.#serve();
  }

  static async start(answers: Partial<Answers> = {}): Promise<EchoPeer> {
    return new EchoPeer(await PoolPeer.start(), { end: (task, input) => succeeded(task.id, input), ...answers });
  }

  get url(): string {
    return this.#peer.url;
  }

  async restart(): Promise<void> {
    const { port } = this.#peer;
    await this.stop();
    this.#stopped = false;
    this.#peer = await PoolPeer.start(port);
    void this.#serve();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#peer.stop();
  }

  async #serve(): Promise<void> {
    const peer = this.#peer;
    while (!this.#stopped && peer === this.#peer) {
      const session = await peer.connection();
      void this.#converse(session);
    }
  }

  async #converse(session: PeerSession): Promise<void> {
    for (;;) {
      const message = await session.messages.next();
      if (message.type === 'hello') session.welcome('admin');
      else if (message.type === 'submit') this.#submitted(session, message);
      else if (message.type === 'watch') {
        for (const { task } of message.tasks) {
          const end = this.#ends.get(task);
          if (end) session.send({ type: 'ended', tasks: [end] });
          else session.send({ type: 'changed', tasks: [{ task, state: 'running', attempt: 1 }] });
        }
      } else if (message.type === 'query' || message.type === 'act') {
        const result = this.#answers.reply?.(message);
        if (result instanceof Error) {
          session.send({ type: 'error', ref: message.ref, error: { kind: 'not_found', message: result.message } });
        } else session.send({ type: 'reply', ref: message.ref, result });
      } else if (message.type === 'cancel')
        session.send({ type: 'reply', ref: message.ref, result: { state: 'cancelled' } });
    }
  }

  #submitted(session: PeerSession, { tasks, watch }: UpOf<'submit'>): void {
    this.submits.push(...tasks);
    const known = tasks.filter(({ kind }) => kind !== 'unknown');
    const strangers = tasks.filter(({ kind }) => kind === 'unknown').map(({ id }) => id);
    const error = { kind: 'unknown_kind', message: 'no worker offers it' } as const;
    if (known.length > 0) session.send({ type: 'accepted', tasks: known.map(({ id }) => id) });
    if (strangers.length > 0) session.send({ type: 'refused', tasks: strangers.map((task) => ({ task, error })) });
    for (const task of known) {
      const end = this.#ends.get(task.id) ?? this.#answers.end(task, unpackPayload(task.input));
      if (!end) continue;
      this.#ends.set(task.id, end);
      if (watch) session.send({ type: 'ended', tasks: [end] });
    }
  }
}
