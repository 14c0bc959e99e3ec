/**
 * One task, followed for as long as the component lives that asks: its detail, its progress, what it gives on the way and
 * its end. Pushed, never polled: the detail is asked for again when something of the task or of what it waits for changed.
 */
import { type Client, ProtocolError, type TaskChange, type TaskDetail, type TaskReference } from '@rma/client';
import { untrack } from 'svelte';
import { live } from '$lib/pool/live.svelte.js';
import { messageOf, pool } from '$lib/pool/pool.svelte.js';
import type { BlobSource } from '$lib/values/blob-source.js';
import { isOpen } from './states.js';
import { StreamLog } from './stream-log.js';

export type Trouble = { readonly kind: 'unknown' } | { readonly kind: 'other'; readonly reason: string };

/** Not asked again sooner, however much happens. */
const DETAIL_PAUSE_MS = 400;

export class TaskWatch {
  detail = $state.raw<TaskDetail>();
  trouble = $state.raw<Trouble>();
  change = $state.raw<TaskChange>();
  end = $state.raw<TaskReference>();
  /** What it gave on the way, as of the last frame of the screen. */
  stream = $state.raw<{ text: string; count: number; dropped: number; isAnew: boolean }>({
    text: '',
    count: 0,
    dropped: 0,
    isAnew: false,
  });
  readonly id: string;
  readonly #client: Client;
  readonly #log = new StreamLog();
  readonly #leaving: (() => void)[] = [];
  #isLeft = false;
  #asking = false;
  #askAgain = false;
  #frame: number | undefined;

  constructor(id: string, client: Client) {
    this.id = id;
    this.#client = client;
  }

  /** Where the blobs of its output are. */
  get outputs(): BlobSource {
    return { names: this.end?.blobs ?? new Set(), fetch: (ref) => this.#client.blob(ref, this.id) };
  }

  start(): void {
    const handle = this.#client.watch(this.id);
    handle.accepted.catch((error: unknown) => this.#failed(error));
    const changes = handle.changes[Symbol.asyncIterator]();
    const chunks = handle[Symbol.asyncIterator]();
    this.#leaving.push(
      () => void changes.return?.(),
      () => void chunks.return?.(),
    );
    this.refresh();
    this.#follow(changes)
      .then(async () => {
        if (this.#isLeft) return;
        this.end = await handle.resultByReference();
        this.refresh();
      })
      .catch((error: unknown) => this.#failed(error));
    this.#read(chunks).catch((error: unknown) => this.#failed(error));
  }

  stop(): void {
    this.#isLeft = true;
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    for (const leave of this.#leaving) leave();
  }

  /** Asks for the detail: at once, or once what was asked is answered and a moment has passed. */
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
        this.trouble = undefined;
      })
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        const timer = setTimeout(() => {
          this.#asking = false;
          if (!this.#askAgain || this.#isLeft) return;
          this.#askAgain = false;
          this.refresh();
        }, DETAIL_PAUSE_MS);
        this.#leaving.push(() => clearTimeout(timer));
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
        const { text, count, dropped, isAnew } = this.#log;
        this.stream = { text, count, dropped, isAnew };
      });
    }
  }

  #failed(error: unknown): void {
    if (this.#isLeft) return;
    const isUnknown = error instanceof ProtocolError && (error.kind === 'not_found' || error.kind === 'invalid');
    if (isUnknown && !this.detail) this.trouble = { kind: 'unknown' };
    else if (!isUnknown) this.trouble = { kind: 'other', reason: messageOf(error) };
  }
}

/** Call it while a component is set up. Another id is another task. */
export function watchTask(id: () => string | undefined): { readonly current: TaskWatch | undefined } {
  let current = $state.raw<TaskWatch>();
  const overview = live(() => pool.client.liveOverview());
  /** What a waiting task waits for: how many wait, run and serve its kind, and who is here. */
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
    // Back after a lost connection: what happened meanwhile.
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
