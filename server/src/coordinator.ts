/** The coordinator put together: store, core loop, sockets, HTTP. `startCoordinator` serves; `stop` ends it in order. */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LIMITS } from '@rma/protocol/limits';
import { BUILT_IN_KINDS } from '@rma/workloads/manifests';
import type { Logger } from 'pino';
import { BlobStore } from './blobs/blob-store.js';
import { CatalogWatch } from './catalog/catalog-watch.js';
import type { CoreSettings } from './core/settings.js';
import type { State } from './core/state.js';
import { InnerSessions } from './http/inner-sessions.js';
import { makeRequestHandler } from './http/routes.js';
import { StaticFiles } from './http/static-files.js';
import { ensureFirstTokens } from './identity/first-tokens.js';
import { copySecret } from './identity/secret-file.js';
import { SignInCodes } from './identity/sign-in-codes.js';
import { Tokens } from './identity/tokens.js';
import type { QuerySource } from './query/query.js';
import { type Clock, systemClock } from './runtime/clock.js';
import { Loop } from './runtime/loop.js';
import { openReserve } from './runtime/reserve.js';
import { chooseTransport, type TransportChoice } from './socket/choose-transport.js';
import { Connections, type SocketSettings } from './socket/connections.js';
import type { Socket, Transport } from './socket/transport.js';
import { lockDirectory } from './store/lock.js';
import { Reader } from './store/reader.js';
import type { Synchronous } from './store/sqlite.js';
import { openSqliteStore } from './store/sqlite-store.js';
import { LiveViews } from './topics/live-views.js';

/** Where a checkout's build of the dashboard is, seen from this package. */
const BESIDE = fileURLToPath(new URL('../../dashboard/build', import.meta.url));
const MAX_BUFFERED_BYTES = 32 * 1_048_576;
const MAX_BODY_BYTES = 8 * 1_048_576;
const PRUNE_MS = 10_000;
const PRUNE_LIMIT = 500;
const BLOB_MAX_AGE_MS = 3_600_000;
/** Peers that were sent away come back within this time, not all at once. */
const RECONNECT_SPREAD_MS = 2_000;
const CLOSE_WAIT_MS = 2_000;

export interface CoordinatorOptions {
  readonly host: string;
  readonly port: number;
  readonly data: string;
  readonly transport: TransportChoice;
  readonly synchronous: Synchronous;
  readonly trustProxy: boolean;
  readonly proxyHeader?: string | undefined;
  readonly reserveBytes: number;
  readonly eventsKept: number;
  readonly eventsKeptMs: number;
  readonly core: Partial<CoreSettings> & { readonly retentionMs: number };
  readonly socket: SocketSettings;
  /** Where people reach this pool, for the commands that it shows; without a path's end. */
  readonly publicUrl?: string | undefined;
  /** A second place for the join token, for workers that share nothing else with this machine. */
  readonly joinTokenFile?: string | undefined;
  /** The catalogue's file; without one the data directory's, else the shipped one. */
  readonly catalog?: string | undefined;
  /** What people call it. */
  readonly pool?: string;
  /** The directory of the dashboard's build; default: beside this package. */
  readonly dashboard?: string;
  readonly version: string;
  readonly log: Logger;
  /** Called when an invariant broke; the process must end. */
  readonly fatal: (error: unknown) => void;
}

export interface Coordinator {
  readonly host: string;
  readonly port: number;
  readonly transport: 'uws' | 'ws';
  /** Files with tokens that were written at this start. */
  readonly newTokens: readonly string[];
  /** A code that signs an admin in once, for a link to the dashboard; undefined where there is none. */
  signInCode(): string | undefined;
  /** What lives now, for tests that look for leaks. */
  counts(): {
    views: number;
    connections: number;
    sessions: number;
    streams: number;
    tasks: number;
    watchers: number;
    inner: number;
  };
  stop(): Promise<void>;
}

export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  const { data, log } = options;
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const lock = lockDirectory(data);
  const undo: (() => unknown)[] = [() => lock.release()];
  try {
    return await assemble(options, undo);
  } catch (error) {
    for (const step of undo.reverse()) {
      try {
        await step();
      } catch (second) {
        log.error({ err: second }, 'cleaning up after a failed start');
      }
    }
    throw error;
  }
}

async function assemble(options: CoordinatorOptions, undo: (() => unknown)[]): Promise<Coordinator> {
  const { data, log } = options;
  const clock: Clock = systemClock;
  const startedMs = clock.nowMs();
  const pool = options.pool ?? 'RMA Pool';
  const chosen = chooseTransport(options.transport);
  if (chosen.note) log.warn(chosen.note);
  const file = join(data, 'pool.db');
  const reserve = openReserve(data, options.reserveBytes);
  const store = openSqliteStore(file, options.synchronous);
  undo.push(() => store.close());
  const tokens = Tokens.open(data);
  const newTokens = await ensureFirstTokens(data, tokens, store, store.load().tokens, clock.wallMs());
  if (options.joinTokenFile !== undefined) copySecret(join(data, 'join.token'), options.joinTokenFile);
  const reader = new Reader(file, () => store.settle());
  undo.push(() => reader.close());
  const blobs = new BlobStore(
    join(data, 'blobs'),
    store,
    () => clock.wallMs(),
    () => loop.state.storageFull,
  );

  let transport: Transport | undefined;
  const theTransport = (): Transport => {
    if (!transport) throw new Error('the transport is not there yet');
    return transport;
  };
  const query: QuerySource = {
    state: () => loop.state,
    reader,
    wallMs: () => clock.wallMs(),
    version: options.version,
    transport: chosen.name,
    uptimeSeconds: () => Math.floor((clock.nowMs() - startedMs) / 1_000),
    storageBytes: () => sizeOf(file) + sizeOf(`${file}-wal`),
  };
  const catalog = new CatalogWatch({ file: options.catalog, data, push: (input) => loop.push(input), log });
  const inner = new InnerSessions((input) => loop.push(input));
  const views = new LiveViews({
    query,
    pool,
    nowMs: () => clock.nowMs(),
    error: (error) => log.error({ err: error }, 'a live view failed'),
  });
  undo.push(() => views.stop());
  const connections = new Connections({
    views,
    settings: options.socket,
    clock,
    tokens,
    blobs,
    query,
    transport: theTransport,
    push: (input) => loop.push(input),
    state: () => loop.state,
    readChunks: (...where) => store.chunks(...where),
    log,
  });
  undo.push(() => connections.stop());
  const loop = await Loop.start({
    store,
    clock,
    settings: options.core,
    builtInKinds: BUILT_IN_KINDS,
    reserve,
    perform: (effects) => {
      connections.perform(effects);
      inner.perform(effects);
    },
    rebuilt: (reason) => {
      log.error({ reason }, 'a commit found no room; sessions end, and submits are refused until there is some');
      connections.closeAll('restart', `the coordinator could not write (${reason}); dial again`, RECONNECT_SPREAD_MS);
      inner.closeAll('the coordinator could not write; ask again');
      catalog.again();
    },
    recovered: () => log.info('writing works again; workers may come back'),
    fatal: options.fatal,
  });
  undo.push(() => loop.stop());
  catalog.start();
  undo.push(() => catalog.stop());
  const files = StaticFiles.open(options.dashboard ?? BESIDE);
  const codes = new SignInCodes();
  const handle = makeRequestHandler({
    files,
    codes,
    pool,
    push: (input) => loop.push(input),
    wallMs: () => clock.wallMs(),
    nowMs: () => clock.nowMs(),
    trustProxy: options.trustProxy,
    inner,
    blobs,
    query,
    tokens,
    state: () => loop.state,
    allowedOrigins: options.socket.allowedOrigins,
    maxBodyBytes: MAX_BODY_BYTES,
    publicUrl: options.publicUrl,
    log,
  });
  transport = chosen.factory(
    {
      maxFrameBytes: LIMITS.maxFrameBytes,
      maxBufferedBytes: MAX_BUFFERED_BYTES,
      maxBodyBytes: MAX_BODY_BYTES,
      trustProxy: options.trustProxy,
      proxyHeader: options.proxyHeader,
    },
    {
      upgrade: (head, protocols) => connections.upgrade(head, protocols),
      open: (socket) => connections.open(socket),
      message: (socket, message) => connections.message(socket, message),
      drain: (socket: Socket) => connections.drain(socket),
      close: (socket, code, reason) => connections.close(socket, code, reason),
      request: handle,
      error: (error) => log.error({ err: error }, 'a handler failed'),
    },
  );
  const { port } = await transport.listen(options.host, options.port);
  loop.push({ type: 'started', data: { version: options.version, transport: chosen.name } });

  const housekeeping = setInterval(() => {
    const now = clock.wallMs();
    try {
      store.prune({
        endedBefore: now - options.core.retentionMs,
        eventsBefore: now - Math.min(options.eventsKeptMs, options.core.retentionMs),
        maxEvents: options.eventsKept,
        limit: PRUNE_LIMIT,
      });
    } catch (error) {
      log.error({ err: error }, 'removing what is past its time failed; it is tried again');
    }
    blobs.sweep(BLOB_MAX_AGE_MS).catch((error: unknown) => log.error({ err: error }, 'sweeping blobs failed'));
  }, PRUNE_MS);

  const stop = async () => {
    clearInterval(housekeeping);
    catalog.stop();
    theTransport().stopListening();
    loop.push({ type: 'stopping' });
    connections.stop();
    views.stop();
    await loop.stop();
    inner.closeAll('the coordinator is stopping');
    connections.closeAll('going_away', 'the coordinator is stopping; dial again', RECONNECT_SPREAD_MS);
    await settled(() => connections.size === 0, CLOSE_WAIT_MS);
    await theTransport().close();
    await reader.close();
    store.close();
    undo[0]?.();
  };
  return {
    host: options.host,
    port,
    transport: chosen.name,
    newTokens,
    signInCode: () => (files ? adminCode(loop.state, codes, clock.nowMs()) : undefined),
    counts: () => ({
      views: views.size,
      connections: connections.size,
      sessions: loop.state.sessions.size,
      streams: connections.streams,
      tasks: loop.state.tasks.size,
      watchers: loop.state.watchers.size,
      inner: inner.size,
    }),
    stop,
  };
}

function adminCode(state: State, codes: SignInCodes, nowMs: number): string | undefined {
  for (const { id, role, revokedAt, expiresAt } of state.tokens.values()) {
    if (role === 'admin' && !revokedAt && !expiresAt) return codes.issue(id, nowMs).code;
  }
  return undefined;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

async function settled(done: () => boolean, timeoutMs: number): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (!done() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
}
