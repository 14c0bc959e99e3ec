/**
 * History queries, in a thread of their own, so that no page view delays a dispatch. One takes at most a second: the
 * thread checks the clock between two short reads, none of which keeps the WAL from being reset; a thread that does not
 * answer at all is replaced.
 */
import { Worker } from 'node:worker_threads';
import { errorMessage, ProtocolError } from '@rma/protocol/error';
import type { Constraints, TaskState } from '@rma/protocol/task';
import type { AttemptView, TaskView } from '@rma/protocol/view';
import type { EventRecord } from '../core/effects.js';
import { FairQueue } from '../runtime/fair-queue.js';
import { StorageFull } from './store.js';

const DEADLINE_MS = 1_000;
/** Past its deadline, how long a thread may still take to report that. */
const REPORT_MS = 5_000;
/** Requests that wait at most, of one asker and over all. */
const MAX_WAITING_EACH = 256;
const MAX_WAITING = 4_096;

/** For whom is read: a session's number, or a name. Askers take turns. */
export type Asker = number | string;

export type ReadRequest =
  | {
      readonly what: 'tasks';
      readonly owner?: string;
      readonly state?: TaskState;
      readonly states?: readonly TaskState[];
      readonly worker?: string;
      readonly kind?: string;
      readonly before?: string;
      readonly limit: number;
    }
  | { readonly what: 'task'; readonly id: string }
  | { readonly what: 'output'; readonly id: string }
  | { readonly what: 'input'; readonly id: string }
  | {
      readonly what: 'history';
      readonly before?: number;
      readonly types?: readonly string[];
      readonly subject?: string;
      readonly owner?: string;
      readonly audit?: boolean;
      readonly limit: number;
    }
  | { readonly what: 'events'; readonly since: number; readonly limit: number };

export type ReadReply =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly message: string };

/** From the thread: `ready` once it runs, then its replies. */
export type ThreadMessage = 'ready' | ReadReply;

/** A task's row without its payloads. */
export interface StoredTask extends TaskView {
  readonly seq: number;
  readonly lane: number;
  readonly inputBytes: number;
  readonly outputBytes?: number;
  readonly constraints?: Constraints;
}

/** What a task was submitted with. */
export interface StoredInput {
  readonly kind: string;
  readonly owner: string;
  readonly priority: number;
  readonly input: Uint8Array;
  readonly blobs: readonly string[] | null;
  readonly options: { timeoutMs?: number; maxAttempts?: number; constraints?: Constraints } | null;
}

interface Waiting {
  readonly id: number;
  readonly request: ReadRequest;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** What can be asked, by one asker. */
export class Reads {
  readonly #ask: (request: ReadRequest) => Promise<unknown>;

  constructor(ask: (request: ReadRequest) => Promise<unknown>) {
    this.#ask = ask;
  }

  tasks(filter: Omit<Extract<ReadRequest, { what: 'tasks' }>, 'what'>): Promise<StoredTask[]> {
    return this.#ask({ what: 'tasks', ...filter }) as Promise<StoredTask[]>;
  }

  task(id: string): Promise<{ task: StoredTask; attempts: AttemptView[] } | null> {
    return this.#ask({ what: 'task', id }) as Promise<{ task: StoredTask; attempts: AttemptView[] } | null>;
  }

  output(id: string): Promise<Uint8Array | null> {
    return this.#ask({ what: 'output', id }) as Promise<Uint8Array | null>;
  }

  input(id: string): Promise<StoredInput | null> {
    return this.#ask({ what: 'input', id }) as Promise<StoredInput | null>;
  }

  /** Matching events with `seq < before`, the newest first; the answer's `before` is where to continue, absent at the end. */
  history(
    filter: Omit<Extract<ReadRequest, { what: 'history' }>, 'what'>,
  ): Promise<{ events: EventRecord[]; before?: number }> {
    return this.#ask({ what: 'history', ...filter }) as Promise<{ events: EventRecord[]; before?: number }>;
  }

  /** Events with `seq > since`, in order; `last` is the number to continue from. */
  events(since: number, limit: number): Promise<{ events: EventRecord[]; last: number }> {
    return this.#ask({ what: 'events', since, limit }) as Promise<{ events: EventRecord[]; last: number }>;
  }
}

export class Reader {
  readonly #file: string;
  readonly #settleStore: () => void;
  readonly #fatal: (error: unknown) => void;
  readonly #deadlineMs: number;
  #thread: Worker | undefined;
  #ready = false;
  readonly #queue = new FairQueue<Asker, Waiting>();
  #active: Waiting | undefined;
  #timer: NodeJS.Timeout | undefined;
  #nextId = 1;
  #closed = false;

  /**
   * @param settle brings the file's tables up to date before they are read
   * @param fatal called when that fails by anything but a full disk: an invariant is broken, and the process must end
   * @param deadlineMs what one request may take
   */
  constructor(file: string, settle: () => void, fatal: (error: unknown) => void, deadlineMs = DEADLINE_MS) {
    this.#file = file;
    this.#settleStore = settle;
    this.#fatal = fatal;
    this.#deadlineMs = deadlineMs;
  }

  /** Reads in the turn of an asker, behind at most one request of each other. */
  as(asker: Asker): Reads {
    return new Reads((request) => this.#ask(asker, request));
  }

  /** Requests that wait or are being answered. */
  get size(): number {
    return this.#queue.size + (this.#active === undefined ? 0 : 1);
  }

  /** Nobody waits for this asker's answers any more. What is being read is read to its end. */
  drop(asker: Asker): void {
    const gone = new ProtocolError('unavailable', 'who asked this has gone');
    for (const { reject } of this.#queue.drop(asker)) reject(gone);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#failAll('the coordinator is stopping');
    await this.#end();
  }

  #ask(asker: Asker, request: ReadRequest): Promise<unknown> {
    const refuse = (why: string) => Promise.reject(new ProtocolError('unavailable', why));
    if (this.#closed) return refuse('the coordinator is stopping');
    if (this.#queue.sizeOf(asker) >= MAX_WAITING_EACH) {
      return refuse(`${MAX_WAITING_EACH} of your queries wait already; ask again when some are answered`);
    }
    if (this.#queue.size >= MAX_WAITING) return refuse(`more than ${MAX_WAITING} queries wait; ask again shortly`);
    return new Promise((resolve, reject) => {
      this.#queue.push(asker, { id: this.#nextId++, request, resolve, reject });
      this.#next();
    });
  }

  /** One request at a time, so that each one's deadline starts with its own work. */
  #next(): void {
    if (this.#active !== undefined) return;
    const next = this.#queue.shift();
    if (next === undefined) return;
    this.#active = next;
    const { id, request } = next;
    try {
      this.#settleStore();
    } catch (error) {
      this.#settle({ id, ok: false, message: errorMessage(error) });
      if (!(error instanceof StorageFull)) this.#fatal(error);
      return;
    }
    const thread = this.#start();
    if (this.#ready) this.#limit(id);
    thread.postMessage({ id, request });
  }

  /** On a busy machine a thread starts late, and its reply is read late: the deadline must count neither. */
  #limit(id: number): void {
    const giveUp = () => {
      if (this.#active?.id !== id) return;
      this.#settle({ id, ok: false, message: 'the query thread does not answer' });
      void this.#end();
    };
    this.#timer = setTimeout(() => setImmediate(giveUp), this.#deadlineMs + REPORT_MS);
  }

  #start(): Worker {
    if (this.#thread) return this.#thread;
    const thread = new Worker(new URL('./reader-thread.js', import.meta.url), {
      workerData: { file: this.#file, deadlineMs: this.#deadlineMs },
    });
    thread.unref();
    thread.on('message', (message: ThreadMessage) => {
      if (message !== 'ready') this.#settle(message);
      else if (this.#thread === thread) {
        this.#ready = true;
        if (this.#active !== undefined) this.#limit(this.#active.id);
      }
    });
    thread.on('error', (error: Error) => {
      if (this.#thread !== thread) return;
      this.#thread = undefined;
      const id = this.#active?.id;
      if (id !== undefined) this.#settle({ id, ok: false, message: `the query thread failed: ${error.message}` });
    });
    this.#thread = thread;
    this.#ready = false;
    return thread;
  }

  #settle(answer: ReadReply): void {
    const waiting = this.#active;
    if (waiting?.id !== answer.id) return;
    clearTimeout(this.#timer);
    this.#active = undefined;
    if (answer.ok) waiting.resolve(answer.value);
    else waiting.reject(new ProtocolError('unavailable', answer.message));
    // After a timeout the thread is about to end; the next request starts a new one.
    setImmediate(() => this.#next());
  }

  #failAll(message: string): void {
    clearTimeout(this.#timer);
    const active = this.#active === undefined ? [] : [this.#active];
    this.#active = undefined;
    for (const { reject } of [...active, ...this.#queue.clear()]) reject(new ProtocolError('unavailable', message));
  }

  async #end(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }
}
