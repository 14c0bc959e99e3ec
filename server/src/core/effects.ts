/** Effects: what one step asks the world to do, as data; first what must be on disk, then what may be sent. */
import type { DownOf } from '@rma/protocol/down';
import type { CloseName, WireError } from '@rma/protocol/error';
import type { EventType } from '@rma/protocol/event';
import type { AttemptRef, Chunk, Dispatch, Failure, Refusal, TaskChange, TaskEnd } from '@rma/protocol/task';
import type { Assignment } from '@rma/protocol/worker';
import type { AttemptState } from './attempt.js';
import type { Lane } from './lane.js';
import type { Binding } from './state.js';
import type { Task } from './task.js';
import type { TokenRecord } from './token.js';
import type { Worker, WorkerRecord } from './worker.js';

/**
 * Nothing for one session yet: each list of it becomes messages (see socket/deliver.ts, whose table has a row for each).
 * This literal is the only list of its fields: type, emptiness and senders are derived from it.
 */
export const makeOutgoing = () => ({
  welcome: undefined as DownOf<'welcome'> | undefined,
  errors: [] as { ref?: number; about?: string; error: WireError }[],
  replies: [] as { ref: number; result: unknown }[],
  accepted: [] as string[],
  refused: [] as Refusal[],
  assignment: undefined as Assignment | undefined,
  acknowledgedResults: [] as AttemptRef[],
  /** The latest chunk, by attempt key. */
  acknowledgedChunks: new Map<string, AttemptRef & { chunk: number }>(),
  stops: [] as (AttemptRef & { reason: string })[],
  dispatches: [] as Dispatch[],
  changed: [] as TaskChange[],
  /** Stored chunks to replay to a late watcher, before anything newer: `after < chunk <= upTo`. */
  replays: [] as { task: string; seq: number; attempt: number; after: number; upTo: number }[],
  chunks: [] as Chunk[],
  ended: [] as TaskEnd[],
  close: undefined as { name: CloseName; message: string; reconnectAfterMs?: number } | undefined,
});

/** What one session is sent after the step's commit. */
export type Outgoing = ReturnType<typeof makeOutgoing>;

export interface EventRecord {
  readonly seq: number;
  readonly at: number;
  readonly type: EventType;
  readonly subject: string;
  /** The subject that may see it beside the admins; empty for none. */
  readonly owner: string;
  readonly data: Record<string, unknown> | null;
  /** The number of the task that it is about; 0 for none. */
  readonly task: number;
}

/** An attempt's row: of one that lasts, or of one that ended without a result. */
export interface StoredAttempt {
  readonly seq: number;
  readonly attempt: number;
  readonly worker: string;
  readonly service: string;
  readonly state: AttemptState | 'ended';
  readonly startedAt: number;
  /** 0 while it runs. */
  readonly endedAt: number;
  readonly error: Failure | null;
}

/** What becomes of an attempt's row. `isNew`: it began in this commit, so that it has none yet. */
export type AttemptWrite =
  | (StoredAttempt & { readonly isNew: boolean })
  | { readonly seq: number; readonly attempt: number; readonly state: 'gone'; readonly isNew: false };

export interface StoredChunk {
  readonly seq: number;
  readonly attempt: number;
  readonly chunk: number;
  readonly data: Uint8Array;
}

/** How a lane's counts change: its queued tasks, and its tasks that have not ended. */
export interface LaneDelta {
  queued: number;
  open: number;
}

/**
 * Nothing to persist yet. This literal is the only list of what a commit may hold: its type and `persists` are derived
 * from it, so that no new list can be forgotten.
 */
const makePersist = () => ({
  tasks: new Set<Task>(),
  /** By `task#attempt`. */
  attempts: new Map<string, AttemptWrite>(),
  chunks: [] as StoredChunk[],
  /** Numbers of tasks whose stored chunks, of earlier attempts, are void. */
  dropChunks: [] as number[],
  newLanes: [] as Lane[],
  droppedLanes: [] as number[],
  workers: new Set<WorkerRecord>(),
  tokens: new Set<TokenRecord>(),
  /** Ids whose records are deleted. */
  dropWorkers: [] as string[],
  dropTokens: [] as string[],
  kinds: [] as { kind: string; worker: string }[],
  dropKindsOf: [] as string[],
  /** By workload; null: released. */
  bindings: new Map<string, Binding | null>(),
  blobRefs: [] as { owner: string; blob: string; seq: number }[],
  events: [] as EventRecord[],
  /** Changes of maintained counts. */
  laneDeltas: new Map<number, LaneDelta>(),
  ownerDeltas: new Map<string, number>(),
  endedDeltas: new Map<string, number>(),
});

/** All that a step persists, in one transaction. Nothing in `outgoing` leaves before it is on disk. */
export type Persist = Readonly<ReturnType<typeof makePersist>>;

export interface Effects {
  readonly persist: Persist;
  /** By session id. */
  readonly outgoing: Map<number, Outgoing>;
  /** Lanes whose window wants rows from the store. */
  readonly claims: { lane: number; tasks: number; bytes: number }[];
  /** For live views: workers whose state, services or description changed. */
  readonly workers: Set<Worker>;
  /** For live views: workers whose load or running tasks changed. */
  readonly loads: Set<Worker>;
}

export function makeEffects(): Effects {
  return { persist: makePersist(), outgoing: new Map(), claims: [], workers: new Set(), loads: new Set() };
}

export function outgoingOf(effects: Effects, session: number): Outgoing {
  let outgoing = effects.outgoing.get(session);
  if (!outgoing) {
    outgoing = makeOutgoing();
    effects.outgoing.set(session, outgoing);
  }
  return outgoing;
}

export function count<K>(deltas: Map<K, number>, key: K, by: number): void {
  deltas.set(key, (deltas.get(key) ?? 0) + by);
}

/** Of a field of `Persist` or `Outgoing`: a list, a set, a map, or one value that may be absent. */
export function isEmpty(value: Persist[keyof Persist] | Outgoing[keyof Outgoing]): boolean {
  if (value === undefined) return true;
  if (Array.isArray(value)) return value.length === 0;
  return (value instanceof Set || value instanceof Map) && value.size === 0;
}

/** Whether anything must reach the disk. */
export function persists(persist: Persist): boolean {
  for (const name in persist) if (!isEmpty(persist[name as keyof Persist])) return true;
  return false;
}

/** Whether there is something of this field to send, and nothing else. */
export function holdsOnly(outgoing: Outgoing, field: keyof Outgoing): boolean {
  if (isEmpty(outgoing[field])) return false;
  for (const name in outgoing) if (name !== field && !isEmpty(outgoing[name as keyof Outgoing])) return false;
  return true;
}
