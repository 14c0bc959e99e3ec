/**
 * The shell around the core: all that serves peers over sockets and HTTP. What a peer sends enters the core by `push`;
 * what the core decided leaves by `perform`, after the commit.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BlobStore } from './blobs/blob-store.js';
import type { Storage } from './coordinator.js';
import type { CoordinatorOptions } from './coordinator-options.js';
import type { Effects } from './core/effects.js';
import type { Input } from './core/inputs.js';
import type { State } from './core/state.js';
import { BodyTurns } from './http/body-turns.js';
import { HttpSessions } from './http/http-sessions.js';
import { makeRequestHandler } from './http/routes.js';
import { StaticFiles } from './http/static-files.js';
import { SignInCodes } from './identity/sign-in-codes.js';
import type { QuerySource } from './query/query.js';
import { QueryTurns } from './query/query-turns.js';
import type { Clock } from './runtime/clock.js';
import type { Flow, Taken } from './runtime/input-queue.js';
import { Connections } from './socket/connections.js';
import type { Transport, TransportHandlers } from './socket/transport.js';
import { TopicPublisher } from './topics/topic-publisher.js';

export const MAX_BODY_BYTES = 8 * 1_048_576;
/** A checkout's build of the dashboard, as seen from this package. */
const DASHBOARD = fileURLToPath(new URL('../../dashboard/build', import.meta.url));
/** Peers that are disconnected reconnect within this time, spread at random. */
const RECONNECT_SPREAD_MS = 2_000;
const CLOSE_WAIT_MS = 2_000;

export interface ShellOptions {
  readonly options: CoordinatorOptions;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly transport: Transport['name'];
  /** Hands an input to the core, in its session's turn or that of another flow. */
  readonly push: (input: Input, bytes?: number, flow?: Flow) => void;
  /** Whether a flow may have so many bytes more waiting for a turn. */
  readonly admits: (flow: Flow, bytes: number) => boolean;
  /** The core's live state, to be read only; another object after a rebuild. */
  readonly state: () => State;
}

export interface ShellCounts {
  readonly views: number;
  readonly connections: number;
  readonly sessions: number;
  readonly streams: number;
  readonly tasks: number;
  readonly watchers: number;
  readonly httpSessions: number;
  /** That wait for their turn. */
  readonly queries: number;
}

export class Shell {
  readonly blobs: BlobStore;
  readonly #shell: ShellOptions;
  readonly #query: QuerySource;
  readonly #topics: TopicPublisher;
  readonly #connections: Connections;
  readonly #httpSessions: HttpSessions;
  readonly #codes = new SignInCodes();
  readonly #files: StaticFiles | undefined;

  constructor(shell: ShellOptions) {
    const { options, storage, clock, push, admits, state } = shell;
    const { log } = options;
    this.#shell = shell;
    this.blobs = new BlobStore({
      directory: join(options.data, 'blobs'),
      records: storage.store.blobs,
      wallMs: () => clock.wallMs(),
      room: () => storage.reserve.room(),
      full: () => state().storageFull,
    });
    this.#query = this.#querySource();
    this.#topics = new TopicPublisher({
      query: this.#query,
      pool: this.#pool,
      nowMs: () => clock.nowMs(),
      error: (error) => log.error({ err: error }, 'publishing a topic failed'),
    });
    this.#connections = new Connections({
      settings: options.socket,
      clock,
      tokens: storage.tokens,
      blobs: this.blobs,
      query: this.#query,
      topics: this.#topics,
      push,
      admits,
      state,
      readChunks: (...range) => storage.store.chunks(...range),
      log,
    });
    this.#httpSessions = new HttpSessions(push, admits);
    this.#files = StaticFiles.open(options.dashboard ?? DASHBOARD);
  }

  /** What the transport calls. */
  handlers(): TransportHandlers {
    const { log } = this.#shell.options;
    const connections = this.#connections;
    return {
      upgrade: (head, protocols) => connections.upgrade(head, protocols),
      open: (socket) => connections.open(socket),
      message: (socket, data) => connections.message(socket, data),
      drain: (socket) => connections.drain(socket),
      close: (socket, code, reason) => connections.close(socket, code, reason),
      request: this.#requestHandler(),
      error: (error) => log.error({ err: error }, 'a handler failed'),
    };
  }

  /** Publishes over the transport that calls the handlers. */
  attach(transport: Transport): void {
    this.#connections.attach(transport);
  }

  /** Sends what the core decided; called after the commit. */
  perform(effects: Effects, taken: ReadonlyMap<Flow, Taken>): void {
    this.#connections.perform(effects, taken);
    this.#httpSessions.perform(effects);
  }

  /** Ends all sessions: the state was rebuilt from the store, and what peers were sent before may not hold. */
  restartSessions(reason: string): void {
    const message = `the coordinator could not write (${reason}); dial again`;
    this.#connections.closeAll('restart', message, RECONNECT_SPREAD_MS);
    this.#httpSessions.closeAll('the coordinator could not write; send the request again');
  }

  /** Takes no new connections and stops the timers; open connections stay. */
  stop(): void {
    this.#connections.stop();
    this.#topics.stop();
  }

  /** Ends all connections, and waits until they have closed or CLOSE_WAIT_MS passed. */
  async disconnect(): Promise<void> {
    this.#httpSessions.closeAll('the coordinator is stopping');
    this.#connections.closeAll('going_away', 'the coordinator is stopping; dial again', RECONNECT_SPREAD_MS);
    const untilMs = performance.now() + CLOSE_WAIT_MS;
    while (this.#connections.size > 0 && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The code of a one-time sign-in link for an admin; undefined without a dashboard or a lasting admin token. */
  signInCode(): string | undefined {
    const { state, clock } = this.#shell;
    if (!this.#files) return undefined;
    for (const { id, role, revokedAt, expiresAt } of state().tokens.values()) {
      if (role === 'admin' && !revokedAt && !expiresAt) return this.#codes.issue(id, clock.nowMs()).code;
    }
    return undefined;
  }

  counts(): ShellCounts {
    const state = this.#shell.state();
    return {
      views: this.#topics.size,
      connections: this.#connections.size,
      sessions: state.sessions.size,
      streams: this.#connections.streams,
      tasks: state.tasks.size,
      watchers: state.watchers.size,
      httpSessions: this.#httpSessions.size,
      queries: this.#query.turns.waiting + this.#shell.storage.reader.size,
    };
  }

  get #pool(): string {
    return this.#shell.options.pool ?? 'RMA Pool';
  }

  #querySource(): QuerySource {
    const { options, storage, clock, transport, state } = this.#shell;
    const startedMs = clock.nowMs();
    return {
      state,
      reader: storage.reader,
      turns: new QueryTurns(storage.reader),
      wallMs: () => clock.wallMs(),
      version: options.version,
      transport,
      uptimeSeconds: () => Math.floor((clock.nowMs() - startedMs) / 1_000),
      storageBytes: () => sizeOf(storage.file) + sizeOf(`${storage.file}-wal`),
      workerLog: (query) => this.#connections.workerLog(query),
    };
  }

  #requestHandler(): TransportHandlers['request'] {
    const { options, storage, clock, push, state } = this.#shell;
    return makeRequestHandler({
      files: this.#files,
      codes: this.#codes,
      pool: this.#pool,
      push,
      state,
      wallMs: () => clock.wallMs(),
      nowMs: () => clock.nowMs(),
      trustProxy: options.trustProxy,
      sessions: this.#httpSessions,
      bodies: new BodyTurns(),
      blobs: this.blobs,
      query: this.#query,
      tokens: storage.tokens,
      allowedOrigins: options.socket.allowedOrigins,
      publicUrl: options.publicUrl,
      log: options.log,
    });
  }
}

/** Bytes of a file; 0 where there is none. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
