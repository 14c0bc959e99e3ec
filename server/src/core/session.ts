/** A session: one authenticated life of a connection. */
import type { Role } from '@rma/protocol/down';

export interface Session {
  readonly id: number;
  readonly role: Role;
  readonly subject: string;
  readonly token: string;
  /** The peer's network address; empty where it is not known. */
  readonly address: string;
  /** Wall-clock ms at which its token ends; 0 for never. */
  readonly expiresAt: number;
  /** The worker's id in a worker's session. */
  readonly worker: string | null;
  /** Ids of the tasks that it watches; the inverse of `State.watchers`. */
  readonly watching: Set<string>;
}
