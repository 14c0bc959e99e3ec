/** The core's inputs: everything that a turn of the loop collected, with the time and a random number. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { Role } from '@rma/protocol/down';
import type { UpOf, UpType } from '@rma/protocol/up';
import type { Task } from './task.js';

/** A connection's hello, with a token whose signature was verified. */
export interface HelloInput {
  readonly type: 'hello';
  readonly session: number;
  readonly address: string;
  /** `expiresAt`: wall-clock ms, where the credential (a cookie) ends before its token does. */
  readonly token: { readonly id: string; readonly role: Role; readonly expiresAt?: number };
  readonly message: UpOf<'hello'>;
  /** Made outside in case this is a first join: ids and credentials are random, and the core is pure. */
  readonly candidate?: { readonly worker: string; readonly tokenId: string; readonly credential: string };
}

/** All messages but those that the socket layer answers itself. */
export type CoreMessageType = Exclude<
  UpType,
  | 'hello'
  | 'heartbeat'
  | 'query'
  | 'subscribe'
  | 'unsubscribe'
  | 'log.lines'
  | 'blob.put'
  | 'blob.get'
  | 'stream.credit'
  | 'stream.end'
  | 'stream.abort'
>;
export type CoreMessage = { [T in CoreMessageType]: UpOf<T> }[CoreMessageType];

export interface MessageInput {
  readonly type: 'message';
  readonly session: number;
  readonly message: CoreMessage;
  /** For `token.create`: the new token, signed outside of the core. */
  readonly minted?: { readonly id: string; readonly token: string };
  /** For `task.retry`: the id of the new task. */
  readonly newTask?: string;
}

export type Input =
  | HelloInput
  | MessageInput
  | { readonly type: 'closed'; readonly session: number; readonly reason: string }
  | { readonly type: 'claimed'; readonly lane: number; readonly tasks: readonly Task[]; readonly asked: number }
  | { readonly type: 'due'; readonly tasks: readonly Task[] }
  | { readonly type: 'storage'; readonly full: boolean }
  | { readonly type: 'started'; readonly data: Record<string, unknown> }
  /** A browser signed in or out. */
  | { readonly type: 'signed'; readonly in: boolean; readonly token: string; readonly address: string }
  /** This process stood still for so long that its peers may have left. */
  | { readonly type: 'stalled' }
  | { readonly type: 'stopping' }
  | {
      readonly type: 'catalog';
      readonly entries: readonly CatalogEntry[];
      readonly source: string;
      /** It replaces another one: an event says so. */
      readonly changed: boolean;
    }
  | { readonly type: 'catalog.refused'; readonly source: string; readonly message: string }
  | { readonly type: 'tick' };

export interface Batch {
  /** Monotonic ms in which this process was at work: for deadlines. */
  readonly nowMs: number;
  /** Wall-clock ms: for records. */
  readonly wallMs: number;
  /** From 0 to 1. */
  readonly random: number;
  readonly inputs: readonly Input[];
  /** Rows that prefetch.ts found the inputs to name and the core not to hold, by id. */
  readonly fetched: ReadonlyMap<string, Task>;
  /** As `owner blob`: those of the blobs that the inputs name which are held for that owner. */
  readonly blobsHeld: ReadonlySet<string>;
}
