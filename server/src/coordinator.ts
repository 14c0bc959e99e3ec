/** The composition root: storage, core loop, shell and transport. `startCoordinator` serves; `stop` ends it in order. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITS } from '@rma/protocol/limits';
import { BUILT_IN_KINDS } from '@rma/workloads/manifests';
import type { BlobStore } from './blobs/blob-store.js';
import { CatalogWatch } from './catalog/catalog-watch.js';
import type { CoordinatorOptions } from './coordinator-options.js';
import { ensureFirstTokens } from './identity/first-tokens.js';
import { copySecret } from './identity/secret-file.js';
import { Tokens } from './identity/tokens.js';
import { systemClock } from './runtime/clock.js';
import { Loop, type LoopOptions } from './runtime/loop.js';
import { type DiskReserve, openReserve } from './runtime/reserve.js';
import { type SlicedJob, SlicedJobs } from './runtime/sliced-jobs.js';
import { MAX_BODY_BYTES, Shell, type ShellCounts } from './shell.js';
import { chooseTransport } from './socket/choose-transport.js';
import type { TransportOptions } from './socket/transport.js';
import { lockDirectory } from './store/lock.js';
import { Reader } from './store/reader.js';
import { openSqliteStore, type SqliteStore } from './store/sqlite-store.js';
import type { Store } from './store/store.js';

export type { CoordinatorOptions } from './coordinator-options.js';

const MAX_BUFFERED_BYTES = 32 * 1_048_576;
/** Often, so that what a fast pool leaves behind goes evenly: to look for something to prune costs microseconds. */
const PRUNE_MS = 250;
/** Some 2 ms of work; with the chunks of large outputs 3. */
const PRUNE_SLICE = { rows: 128, bytes: 1_048_576 };
const SWEEP_MS = 10_000;
const BLOB_MAX_AGE_MS = 3_600_000;

export interface Coordinator {
  readonly host: string;
  readonly port: number;
  readonly transport: 'uws' | 'ws';
  /** Files with tokens that were written at this start. */
  readonly newTokens: readonly string[];
  /** The code of a one-time sign-in link for an admin; undefined without a dashboard or an admin token. */
  signInCode(): string | undefined;
  /** Live objects, for tests that look for leaks. */
  counts(): ShellCounts;
  stop(): Promise<void>;
}

/** Releases what was opened so far, the latest first, when a start fails. */
type Cleanups = (() => unknown)[];

export async function startCoordinator(options: CoordinatorOptions): Promise<Coordinator> {
  mkdirSync(options.data, { recursive: true, mode: 0o700 });
  const cleanups: Cleanups = [];
  try {
    return await assemble(options, cleanups);
  } catch (error) {
    for (const cleanup of cleanups.reverse()) {
      try {
        await cleanup();
      } catch (second) {
        options.log.error({ err: second }, 'cleaning up after a failed start');
      }
    }
    throw error;
  }
}

async function assemble(options: CoordinatorOptions, cleanups: Cleanups): Promise<Coordinator> {
  const { log, data } = options;
  const chosen = chooseTransport(options.transport);
  if (chosen.note) log.warn(chosen.note);
  const storage = await openStorage(options, cleanups);
  const catalog = new CatalogWatch({ file: options.catalog, data, log });
  // The loop's first turn is a later task of the event loop: the shell exists by then.
  const loop = await startLoop(options, storage, {
    perform: (effects, taken) => shell.perform(effects, taken),
    rebuilt: (reason) => {
      shell.restartSessions(reason);
      catalog.resend();
    },
  });
  cleanups.push(() => loop.stop());
  const shell = new Shell({
    options,
    storage,
    clock: systemClock,
    transport: chosen.name,
    push: (input, bytes, flow) => loop.push(input, bytes, flow),
    admits: (flow, bytes) => loop.admits(flow, bytes),
    state: () => loop.state,
  });
  cleanups.push(() => shell.stop());
  catalog.start((input) => loop.push(input));
  cleanups.push(() => catalog.stop());
  const transport = chosen.factory(transportOptions(options), shell.handlers());
  shell.attach(transport);
  const { port } = await transport.listen(options.host, options.port);
  loop.push({ type: 'started', data: { version: options.version, transport: chosen.name } });
  const housekeeping = startHousekeeping(options, storage.store, shell.blobs);

  return {
    host: options.host,
    port,
    transport: chosen.name,
    newTokens: storage.newTokens,
    signInCode: () => shell.signInCode(),
    counts: () => shell.counts(),
    async stop() {
      catalog.stop();
      transport.stopListening();
      loop.push({ type: 'stopping' });
      shell.stop();
      await housekeeping.stop();
      await shell.blobs.close();
      await loop.stop();
      await shell.disconnect();
      await transport.close();
      await storage.reader.close();
      storage.store.close();
      storage.release();
    },
  };
}

/** What lies in the data directory, which no other process uses meanwhile. */
export interface Storage {
  readonly file: string;
  readonly store: SqliteStore;
  readonly reserve: DiskReserve;
  readonly reader: Reader;
  readonly tokens: Tokens;
  readonly newTokens: readonly string[];
  /** Gives the directory up for another process. */
  release(): void;
}

async function openStorage(options: CoordinatorOptions, cleanups: Cleanups): Promise<Storage> {
  const { data, joinTokenFile } = options;
  const lock = lockDirectory(data);
  cleanups.push(() => lock.release());
  const file = join(data, 'pool.db');
  const reserve = openReserve(data, options.reserveBytes);
  const store = openSqliteStore(file, options.synchronous);
  cleanups.push(() => store.close());
  const tokens = Tokens.open(data);
  const newTokens = await ensureFirstTokens(data, tokens, store, store.tokens(), systemClock.wallMs());
  if (joinTokenFile !== undefined) copySecret(join(data, 'join.token'), joinTokenFile);
  const reader = new Reader(file, () => store.settle(), options.fatal);
  cleanups.push(() => reader.close());
  return { file, store, reserve, reader, tokens, newTokens, release: () => lock.release() };
}

interface LoopOutputs {
  /** After each commit. */
  readonly perform: LoopOptions['perform'];
  /** After the state was loaded anew because a commit failed. */
  readonly rebuilt: (reason: string) => void;
}

function startLoop(options: CoordinatorOptions, storage: Storage, outputs: LoopOutputs): Promise<Loop> {
  const { log } = options;
  return Loop.start({
    store: storage.store,
    clock: systemClock,
    settings: options.core,
    builtInKinds: BUILT_IN_KINDS,
    reserve: storage.reserve,
    perform: outputs.perform,
    rebuilt: (reason) => {
      log.error(
        { reason },
        'a commit failed for want of disk space; sessions end, submits are refused until there is some',
      );
      outputs.rebuilt(reason);
    },
    recovered: () => log.info('writing works again; workers may reconnect'),
    fatal: options.fatal,
  });
}

function transportOptions({ trustProxy, proxyHeader }: CoordinatorOptions): TransportOptions {
  return {
    maxFrameBytes: LIMITS.maxFrameBytes,
    maxBufferedBytes: MAX_BUFFERED_BYTES,
    maxBodyBytes: MAX_BODY_BYTES,
    trustProxy,
    proxyHeader,
  };
}

/** What keeps the store small, a slice at a time. */
function startHousekeeping(options: CoordinatorOptions, store: Store, blobs: BlobStore): SlicedJobs {
  const { log, core, eventsKept, eventsKeptMs } = options;
  const prune = () => {
    const wallMs = systemClock.wallMs();
    return store.prune({
      endedBefore: wallMs - core.retentionMs,
      eventsBefore: wallMs - Math.min(eventsKeptMs, core.retentionMs),
      maxEvents: eventsKept,
      ...PRUNE_SLICE,
    });
  };
  const jobs: SlicedJob[] = [
    { name: 'prune', everyMs: PRUNE_MS, slice: prune },
    { name: 'sweep blobs', everyMs: SWEEP_MS, slice: () => blobs.sweep(BLOB_MAX_AGE_MS) },
    { name: 'check blob files', everyMs: Number.POSITIVE_INFINITY, slice: () => blobs.checkFiles() },
  ];
  return new SlicedJobs(jobs, {
    nowMs: () => systemClock.nowMs(),
    failed: (job, error) => log.error({ err: error, job }, 'a job failed; it is tried again'),
    fatal: options.fatal,
  });
}
