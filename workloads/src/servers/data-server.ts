/** The contract of a data server: how it is started, health-checked and queried. */
import type { Handler } from '../runtime.js';

/** How one run of a server is started. */
export type Launch =
  | { readonly how: 'guarded'; readonly server: import('./guard.js').GuardedServer }
  /** A module of our own in a process of its own, which ends when its channel to the agent closes. */
  | { readonly how: 'module'; readonly module: URL; readonly args: readonly string[]; readonly cwd: string };

/** A run of a server, from its start on. */
export interface DataServer {
  /** What runs, for people: `PostgreSQL 15.14`. */
  readonly label: string;
  readonly launch: Launch;
  /** Resolves while it answers. */
  ping(): Promise<void>;
  /** The kinds that it serves. */
  readonly handlers: Readonly<Record<string, Handler>>;
  /** Lets go of connections. */
  close(): Promise<void>;
}

/** Makes ready what the next run needs: its directory, a port, its configuration. Throws with what is missing. */
export type PrepareServer = () => Promise<DataServer>;
