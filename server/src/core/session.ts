/** One authenticated life of a connection, as the core sees it. */
import type { Role } from '@rma/protocol/down';

export interface Session {
  readonly id: number;
  readonly role: Role;
  readonly subject: string;
  readonly token: string;
  /** The peer's; empty where it is not known. */
  readonly address: string;
  /** Wall-clock ms at which its token ends; 0 for never. */
  readonly expiresAt: number;
  readonly worker: string | null;
  /** Ids of the tasks that it watches. */
  readonly watching: Set<string>;
}
