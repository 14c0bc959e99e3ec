/**
 * One coordinator for the tests of a file, and the peers that they open. After each test the peers are gone, and the
 * coordinator must hold nothing of theirs any more: no connection, session, stream, watcher or waiting request.
 */
import type { Action } from '@rma/protocol/up';
import type { TokenView } from '@rma/protocol/view';
import type { WorkerHello } from '@rma/protocol/worker';
import type { CoordinatorOptions } from '@rma/server/coordinator';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { startTestCoordinator, type TestCoordinator } from './coordinator.js';
import { eventually } from './eventually.js';
import { Peer, type PeerOptions, workerHello } from './peer.js';

export { eventually } from './eventually.js';

export interface PoolWorker {
  readonly peer: Peer;
  readonly id: string;
  readonly credential: string;
}

export class Pool {
  #coordinator: TestCoordinator | undefined;
  readonly #peers: Peer[] = [];

  get coordinator(): TestCoordinator {
    if (!this.#coordinator) throw new Error('the pool is not up');
    return this.#coordinator;
  }

  get url(): string {
    return this.coordinator.url;
  }

  async start(options: Partial<CoordinatorOptions> = {}): Promise<void> {
    this.#coordinator = await startTestCoordinator(options);
  }

  /** Stops the coordinator and starts another one on the same data. */
  async restart(options: Partial<CoordinatorOptions> = {}): Promise<void> {
    const { data } = this.coordinator;
    await this.coordinator.stop();
    this.#coordinator = await startTestCoordinator({ ...options, data });
  }

  async dispose(): Promise<void> {
    await this.#coordinator?.dispose();
  }

  async dial(options: PeerOptions = {}): Promise<Peer> {
    const peer = await Peer.dial(this.url, options);
    this.#peers.push(peer);
    return peer;
  }

  /** A session of `client.token`, or of the token given. */
  async client(token = this.coordinator.token('client'), options: PeerOptions = {}): Promise<Peer> {
    const peer = await this.dial(options);
    await peer.hello({ token });
    return peer;
  }

  admin(options: PeerOptions = {}): Promise<Peer> {
    return this.client(this.coordinator.token('admin'), options);
  }

  /** A worker's session; joins with `join.token` unless a token is given. */
  async worker(
    hello: Partial<WorkerHello> & { slots?: number; kinds?: readonly string[] } = {},
    token = this.coordinator.token('join'),
    options: PeerOptions = {},
  ): Promise<PoolWorker> {
    const peer = await this.dial(options);
    const { worker } = await peer.hello({ token, worker: workerHello(hello) });
    if (!worker) throw new Error('the welcome of a worker has no id');
    return { peer, id: worker.id, credential: worker.credential ?? token };
  }

  /** A token that the admin makes. */
  async mint(token: Omit<Extract<Action, { do: 'token.create' }>, 'do'>): Promise<{ token: string; view: TokenView }> {
    const admin = await this.admin();
    const made = await admin.ask({ type: 'act', action: { do: 'token.create', ...token } });
    await admin.close();
    return made as { token: string; view: TokenView };
  }

  /** Closes every peer and waits until the coordinator has forgotten them. */
  async settle(): Promise<void> {
    await Promise.all(this.#peers.splice(0).map((peer) => peer.close()));
    const held = () => {
      const { tasks: _tasks, ...rest } = this.coordinator.counts();
      return rest;
    };
    const nothing = { views: 0, connections: 0, sessions: 0, streams: 0, watchers: 0, httpSessions: 0, queries: 0 };
    await eventually(() => expect(held()).toEqual(nothing));
  }
}

/** Registers the hooks of a file (or of a `describe`): one coordinator, settled after each test. */
export function usePool(options: Partial<CoordinatorOptions> = {}): Pool {
  const pool = new Pool();
  beforeAll(() => pool.start(options));
  afterEach(() => pool.settle());
  afterAll(() => pool.dispose());
  return pool;
}
