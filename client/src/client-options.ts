/** What a client is made with, and how its queries are filtered. */
import type { TaskState } from '@rma/protocol/task';
import type { Action } from '@rma/protocol/up';
import type { Subprotocol } from '@rma/protocol/version';
import type { ConnectionChange } from './message-router.js';

export interface ConnectOptions {
  /** `http(s)://HOST:PORT` of the coordinator; ws(s) is taken, too. */
  readonly url: string;
  /** A client or admin token. Left out only where a browser's cookie authenticates. */
  readonly token?: string | undefined;
  /** Admit plain http to another machine than this one: anybody on the way can read the token. */
  readonly insecure?: boolean | undefined;
  /** Give everything up after this long without a connection. Default: never. */
  readonly offlineTimeoutMs?: number | undefined;
  readonly onConnection?: ((change: ConnectionChange) => void) | undefined;
  /** The token is a join token: only `liveJoin` is to be had, and nothing is used up. Default false. */
  readonly joining?: boolean | undefined;
  /** Default MessagePack; JSON is for debugging. */
  readonly subprotocol?: Subprotocol | undefined;
}

/** Which tasks `tasks()` lists: newest first. */
export interface TaskFilter {
  readonly state?: TaskState | undefined;
  /** Any of these. */
  readonly states?: readonly TaskState[] | undefined;
  readonly kind?: string | undefined;
  /** Admins only. */
  readonly owner?: string | undefined;
  /** Whose latest attempt is or was on this worker. */
  readonly worker?: string | undefined;
  /** Those submitted before this task: the last id of one page gives the next. */
  readonly before?: string | undefined;
  /** 1 to 1,000. */
  readonly limit?: number | undefined;
}

export interface EventsOptions {
  /** Begin after this event. Default: 0 without `follow`, with `follow` the newest one there is. */
  readonly since?: number | undefined;
  /** Go on with what happens from now on. Default false. */
  readonly follow?: boolean | undefined;
  /** Ends the loop also while it waits for the next event. */
  readonly signal?: AbortSignal | undefined;
}

export interface WorkerLogOptions {
  /** Of this service alone. */
  readonly service?: string | undefined;
  /** At most so many; 100 unless given. */
  readonly lines?: number | undefined;
  /** Only lines after this time: the `at` of the last line that is known. */
  readonly since?: string | undefined;
}

/** A token to be made; see docs of roles. */
export type NewToken = Omit<Extract<Action, { do: 'token.create' }>, 'do'>;

/** Which events `history()` lists. */
export interface HistoryOptions {
  /** Below this number; default: the newest. */
  readonly before?: number | undefined;
  /** Types, or beginnings of types such as `worker.` */
  readonly types?: readonly string[] | undefined;
  /** The id of a task, worker or token. */
  readonly subject?: string | undefined;
  /** 1 to 1,000, default 200. */
  readonly limit?: number | undefined;
}
