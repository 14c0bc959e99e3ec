/** What one step asks the world to do, as data: first what must be on disk, then what may leave. */
import type { DownOf } from '@rma/protocol/down';
import type { CloseName, WireError } from '@rma/protocol/error';
import type { EventType } from '@rma/protocol/event';
import type { AttemptRef, Chunk, Dispatch, Failure, Refusal, TaskChange, TaskEnd } from '@rma/protocol/task';
import type { Assignment } from '@rma/protocol/worker';
import type { Lane } from './lane.js';
import type { Binding } from './state.js';
import type { Task } from './task.js';
import type { TokenRecord } from './token.js';
import type { Worker, WorkerRecord } from './worker.js';

/** Messages to one session, gathered over the step, in the order in which they leave. */
export interface Outgoing {
  welcome?: DownOf<'welcome'>;
  errors: { ref?: number; about?: string; error: WireError }[];
  replies: { ref: number; result: unknown }[];
  accepted: string[];
  refused: Refusal[];
  assignment?: Assignment;
  acknowledgedResults: AttemptRef[];
  acknowledgedChunks: Map<string, AttemptRef & { chunk: number }>;
  stops: (AttemptRef & { reason: string })[];
  dispatches: Dispatch[];
  changed: TaskChange[];
  chunks: Chunk[];
  ended: TaskEnd[];
  /** Stored chunks to replay to a late watcher, before anything newer. */
  replays: { task: string; seq: number; attempt: number; after: number; upTo: number }[];
  close?: { name: CloseName; message: string; reconnectAfterMs?: number };
}

export interface EventRecord {
  readonly seq: number;
  readonly at: number;
  readonly type: EventType;
  readonly subject: string;
  /** Who may see it beside the admins; empty for none. */
  readonly owner: string;
  readonly data: Record<string, unknown> | null;
  /** The task's number where it is about a task; else 0. */
  readonly task: number;
}

export interface EndedAttempt {
  readonly seq: number;
  readonly attempt: number;
  readonly worker: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly error: Failure;
}

export interface StoredChunk {
  readonly seq: number;
  readonly attempt: number;
  readonly chunk: number;
  readonly data: Uint8Array;
}

/** How a lane's counts change: what waits in it, and what belongs to it and has not ended. */
export interface LaneDelta {
  queued: number;
  open: number;
}

/** All that a step persists. Nothing in `outgoing` leaves before this is on disk. */
export interface Persist {
  readonly tasks: Set<Task>;
  readonly attempts: EndedAttempt[];
  readonly chunks: StoredChunk[];
  /** Tasks whose stored chunks of earlier attempts are void. */
  readonly dropChunks: number[];
  readonly newLanes: Lane[];
  readonly droppedLanes: number[];
  readonly workers: Set<WorkerRecord>;
  readonly tokens: Set<TokenRecord>;
  readonly kinds: { kind: string; worker: string }[];
  readonly dropKindsOf: string[];
  /** Workloads whose binding changed; null for released. */
  readonly bindings: Map<string, Binding | null>;
  readonly blobRefs: { owner: string; blob: string; seq: number }[];
  readonly events: EventRecord[];
  /** Changes of maintained counts. */
  readonly laneDeltas: Map<number, LaneDelta>;
  readonly ownerDeltas: Map<string, number>;
  readonly endedDeltas: Map<string, number>;
}

export interface Effects {
  readonly persist: Persist;
  readonly outgoing: Map<number, Outgoing>;
  /** Lanes whose window wants rows from the store. */
  readonly claims: { lane: number; tasks: number; bytes: number }[];
  /** For live views: workers whose state, services or description changed, and those whose load or running tasks did. */
  readonly workers: Set<Worker>;
  readonly loads: Set<Worker>;
}

export function makeEffects(): Effects {
  return {
    persist: {
      tasks: new Set(),
      attempts: [],
      chunks: [],
      dropChunks: [],
      newLanes: [],
      droppedLanes: [],
      workers: new Set(),
      tokens: new Set(),
      kinds: [],
      dropKindsOf: [],
      bindings: new Map(),
      blobRefs: [],
      events: [],
      laneDeltas: new Map(),
      ownerDeltas: new Map(),
      endedDeltas: new Map(),
    },
    outgoing: new Map(),
    claims: [],
    workers: new Set(),
    loads: new Set(),
  };
}

export function makeOutgoing(): Outgoing {
  return {
    errors: [],
    replies: [],
    accepted: [],
    refused: [],
    acknowledgedResults: [],
    acknowledgedChunks: new Map(),
    stops: [],
    dispatches: [],
    changed: [],
    chunks: [],
    ended: [],
    replays: [],
  };
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

/** True when there is something that must reach the disk. */
export function persists(persist: Persist): boolean {
  return (
    persist.tasks.size > 0 ||
    persist.events.length > 0 ||
    persist.chunks.length > 0 ||
    persist.workers.size > 0 ||
    persist.tokens.size > 0 ||
    persist.attempts.length > 0 ||
    persist.kinds.length > 0 ||
    persist.dropKindsOf.length > 0 ||
    persist.bindings.size > 0 ||
    persist.dropChunks.length > 0 ||
    persist.droppedLanes.length > 0
  );
}
