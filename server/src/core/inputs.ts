/** What happens to the core: everything that a turn of the loop collected, with the time and a random number. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { Role } from '@rma/protocol/down';
import type { UpOf, UpType } from '@rma/protocol/up';
import type { Task } from './task.js';

/** A connection said hello with a token whose signature is right. */
export interface HelloInput {
  readonly type: 'hello';
  readonly session: number;
  readonly address: string;
  /** `expiresAt`: where what authenticates ends before its token does; wall-clock ms. */
  readonly token: { readonly id: string; readonly role: Role; readonly expiresAt?: number };
  readonly message: UpOf<'hello'>;
  /** What the shell made in advance for a first join: the core uses it or not. */
  readonly candidate?: { readonly worker: string; readonly tokenId: string; readonly credential: string };
}

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

export type Input =
  | HelloInput
  | {
      readonly type: 'message';
      readonly session: number;
      readonly message: CoreMessage;
      /** For `token.create`: the signed token that the shell made in advance. */
      readonly minted?: { readonly id: string; readonly token: string };
      /** For `task.retry`: the id of the task to be. */
      readonly newTask?: string;
    }
  | { readonly type: 'closed'; readonly session: number; readonly reason: string }
  | { readonly type: 'claimed'; readonly lane: number; readonly tasks: readonly Task[]; readonly asked: number }
  | { readonly type: 'due'; readonly tasks: readonly Task[] }
  | { readonly type: 'storage'; readonly full: boolean }
  | { readonly type: 'started'; readonly data: Record<string, unknown> }
  /** Somebody signed in or out with a browser. */
  | { readonly type: 'signed'; readonly in: boolean; readonly token: string; readonly address: string }
  | { readonly type: 'stopping' }
  | {
      readonly type: 'catalog';
      readonly entries: readonly CatalogEntry[];
      readonly source: string;
      /** It replaces another one, which the pool is told. */
      readonly changed: boolean;
    }
  | { readonly type: 'catalog.refused'; readonly source: string; readonly message: string }
  | { readonly type: 'tick' };

export interface Batch {
  /** Monotonic ms: for deadlines. */
  readonly nowMs: number;
  /** Wall-clock ms: for records. */
  readonly wallMs: number;
  /** From 0 to 1. */
  readonly random: number;
  readonly inputs: readonly Input[];
  /** Rows that the inputs name and the core does not hold, by id. */
  readonly fetched: ReadonlyMap<string, Task>;
  /** Blobs among those that the inputs' submits name which are held for that owner: `owner blob`. */
  readonly blobsHeld: ReadonlySet<string>;
}
