/**
 * Watches one task for the life of a component: detail, progress, chunks and end. Pushed, not polled: the detail is
 * queried again only when the task, or what it waits for, changed.
 */
import { type Client, ProtocolError, type TaskChange, type TaskDetail, type TaskReference } from '@rma/client';
import { untrack } from 'svelte';
import { live } from '$lib/pool/live.svelte.js';
import { messageOf, pool } from '$lib/pool/pool.svelte.js';
import type { BlobSource } from '$lib/values/blob-source.js';
import { isOpen } from './states.js';
import { StreamLog } from './stream-log.js';

export type WatchProblem = { readonly kind: 'unknown' } | { readonly kind: 'other'; readonly reason: string };

/** Minimum time between two queries of the detail. */
const DETAIL_PAUSE_MS = 400;

export class TaskWatch {
  detail = $state.raw<TaskDetail>();
  problem = $state.raw<WatchProblem>();
  change = $state.raw<TaskChange>();
  end = $state.raw<TaskReference>();
  /** The streamed output, updated once per animation frame. */
  stream = $state.raw<{ text: string; count: number; dropped: number; isRestarted: boolean }>({
    text: '',
    count: 0,
    dropped: 0,
    isRestarted: false,
  });
  readonly id: string;
  readonly #client: Client;
  readonly #log = new StreamLog();
  readonly #cleanup: (() => void)[] = [];
  #isStopped = false;
  #asking = false;
  #askAgain = false;
  #frame: number | undefined;

  constructor(id: string, client: Client) {
    this.id = id;
    this.#client = client;
  }

  /** Fetches the blobs of its output. */
  get outputs(): BlobSource {
    return { names: this.end?.blobs ?? new Set(), fetch: (ref) => this.#client.blob(ref, this.id) };
  }

  start(): void {
    const handle = this.#client.watch(this.id);
    handle.accepted.catch((error: unknown) => this.#failed(error));
    const changes = handle.changes[Symbol.asyncIterator]();
    const chunks = handle[Symbol.asyncIterator]();
    this.#cleanup.push(
      () => void changes.return?.(),
      () => void chunks.return?.(),
    );
    this.refresh();
    this.#follow(changes)
      .then(async () => {
        if (this.#isStopped) return;
        this.end = await handle.resultByReference();
        this.refresh();
      })
      .catch((error: unknown) => this.#failed(error));
    this.#read(chunks).catch((error: unknown) => this.#failed(error));
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    for (const release of this.#cleanup) release();
  }

  /** Queries the detail: now, or after the pause if a query is under way. */
  refresh(): void {
    if (this.#asking) {
      this.#askAgain = true;
      return;
    }
    this.#asking = true;
    this.#client
      .task(this.id)
      .then((detail) => {
        this.detail = detail;
        this.problem = undefined;
      })
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        const timer = setTimeout(() => {
          this.#asking = false;
          if (!this.#askAgain || this.#isStopped) return;
          this.#askAgain = false;
          this.refresh();
        }, DETAIL_PAUSE_MS);
        this.#cleanup.push(() => clearTimeout(timer));
      });
  }

  async #follow(changes: AsyncIterator<TaskChange>): Promise<void> {
    for (let next = await changes.next(); !next.done; next = await changes.next()) {
      const before = this.change;
      this.change = next.value;
      const { state, attempt, worker } = next.value;
      if (state !== before?.state || attempt !== before.attempt || worker !== before.worker) this.refresh();
    }
  }

  async #read(chunks: AsyncIterator<{ attempt: number; chunk: number; data: unknown }>): Promise<void> {
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
      this.#log.add(next.value);
      this.#frame ??= requestAnimationFrame(() => {
        this.#frame = undefined;
        const { text, count, dropped, isRestarted } = this.#log;
        this.stream = { text, count, dropped, isRestarted };
      });
    }
  }

  #failed(error: unknown): void {
    if (this.#isStopped) return;
    const isUnknown = error instanceof ProtocolError && (error.kind === 'not_found' || error.kind === 'invalid');
    if (isUnknown && !this.detail) this.problem = { kind: 'unknown' };
    else if (!isUnknown) this.problem = { kind: 'other', reason: messageOf(error) };
  }
}

/** Call it during component initialisation; follows changes of `id`. */
export function watchTask(id: () => string | undefined): { readonly current: TaskWatch | undefined } {
  let current = $state.raw<TaskWatch>();
  const overview = live(() => pool.client.liveOverview());
  /** A key of everything that a queued task waits for: workers online, and queued, running and serving of its kind. */
  const situation = $derived.by(() => {
    const [now, detail] = [overview.value?.now, current?.detail];
    if (!now || !detail || detail.state !== 'queued') return '';
    const kind = now.kinds.find(({ kind }) => kind === detail.kind);
    return [now.workers.online, kind?.queued, kind?.running, kind?.workers].join(' ');
  });

  $effect(() => {
    const wanted = id();
    if (wanted === undefined) return;
    const watch = new TaskWatch(wanted, pool.client);
    current = watch;
    watch.start();
    return () => {
      watch.stop();
      current = undefined;
    };
  });
  $effect(() => {
    if (situation !== '') untrack(() => current?.refresh());
  });
  $effect(() => {
    // After a reconnect: catch up on what was missed.
    if (pool.connection.state !== 'live') return;
    untrack(() => {
      if (current?.detail && isOpen(current.detail.state)) current.refresh();
    });
  });
  return {
    get current() {
      return current;
    },
  };
}
