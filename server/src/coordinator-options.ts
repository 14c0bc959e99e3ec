/** What a coordinator is started with. */
import type { Logger } from 'pino';
import type { CoreSettings } from './core/settings.js';
import type { TransportChoice } from './socket/choose-transport.js';
import type { SocketSettings } from './socket/connections.js';
import type { Synchronous } from './store/sqlite.js';

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
  /** The pool's public address for the commands that it shows, without a trailing slash. */
  readonly publicUrl?: string | undefined;
  /** A second file for the join token, for workers that share a volume but not the data directory. */
  readonly joinTokenFile?: string | undefined;
  /** The catalogue file; default: the data directory's, else the shipped one. */
  readonly catalog?: string | undefined;
  /** The pool's name. */
  readonly pool?: string;
  /** The directory of the dashboard's build; default: beside this package. */
  readonly dashboard?: string;
  readonly version: string;
  readonly log: Logger;
  /** Called when an invariant is broken; the process must end. */
  readonly fatal: (error: unknown) => void;
}
