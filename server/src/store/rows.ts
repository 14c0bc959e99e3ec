/** Rows of the store to the core's records and back. */
import { TASK_STATES, type TaskState } from '@rma/protocol/task-state';
import type { Binding } from '../core/state.js';
import type { Task } from '../core/task.js';
import type { TokenRecord } from '../core/token.js';
import type { WorkerRecord } from '../core/worker.js';

export interface TaskRow {
  seq: number;
  id: string;
  owner: string;
  kind: string;
  lane: number;
  priority: number;
  state: number;
  attempt: number;
  failures: number;
  lost: number;
  worker: string | null;
  submitted_at: number;
  started_at: number;
  ended_at: number | null;
  due_at: number | null;
  options: string | null;
  blobs: string | null;
  output_blobs: string | null;
  error: string | null;
  input: Uint8Array;
  output: Uint8Array | null;
}

export const STATE_CODE = Object.fromEntries(TASK_STATES.map((state, code) => [state, code])) as Record<
  TaskState,
  number
>;

const parse = <T>(text: string | null): T | null => (text === null ? null : (JSON.parse(text) as T));
const print = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));

export function taskFromRow(row: TaskRow): Task {
  const state = TASK_STATES[row.state]!;
  return {
    seq: row.seq,
    id: row.id,
    owner: row.owner,
    kind: row.kind,
    lane: row.lane,
    priority: row.priority,
    input: row.input,
    blobs: parse(row.blobs),
    options: parse(row.options),
    submittedAt: row.submitted_at,
    state,
    attempt: row.attempt,
    failures: row.failures,
    lost: row.lost,
    worker: row.worker,
    startedAt: row.started_at,
    endedAt: row.ended_at ?? 0,
    dueAt: row.due_at ?? 0,
    output: row.output,
    outputBlobs: parse(row.output_blobs),
    error: parse(row.error),
    stored: { state, attempt: row.attempt },
    service: '',
    deadlineMs: 0,
    lastChunk: 0,
    chunkBytes: 0,
  };
}

/** A new task as almost all are: without options, blobs, or anything due. In the order of `insertPlainTask`. */
export function plainValues(task: Task): unknown[] {
  return [
    task.seq,
    task.id,
    task.owner,
    task.kind,
    task.lane,
    task.priority,
    STATE_CODE[task.state],
    task.attempt,
    task.worker,
    task.submittedAt,
    task.startedAt,
    task.input,
  ];
}

export function isPlain(task: Task): boolean {
  return (
    task.options === null &&
    task.blobs === null &&
    task.endedAt === 0 &&
    task.dueAt === 0 &&
    task.failures === 0 &&
    task.lost === 0
  );
}

/** In the order of the INSERT's columns. */
export function insertValues(task: Task): unknown[] {
  return [
    task.seq,
    task.id,
    task.owner,
    task.kind,
    task.lane,
    task.priority,
    STATE_CODE[task.state],
    task.attempt,
    task.failures,
    task.lost,
    task.worker,
    task.submittedAt,
    task.startedAt,
    task.endedAt || null,
    task.dueAt || null,
    print(task.options),
    print(task.blobs),
    print(task.outputBlobs),
    print(task.error),
    task.input,
    task.output,
  ];
}

export interface WorkerRow {
  id: string;
  join_key: string;
  join_token: string;
  owner: string;
  trust: WorkerRecord['trust'];
  joined_at: number;
  name: string;
  labels: string;
  given_name: string | null;
  given_labels: string | null;
  tier: WorkerRecord['tier'];
  pinned_tier: WorkerRecord['pinnedTier'];
  reasons: string;
  hardware: string;
  available: string;
  instance: string;
  last_seen_at: number;
  draining: number;
  revoked_at: number;
}

export function workerFromRow(row: WorkerRow): WorkerRecord {
  return {
    id: row.id,
    joinKey: row.join_key,
    joinToken: row.join_token,
    owner: row.owner,
    trust: row.trust,
    joinedAt: row.joined_at,
    name: row.name,
    labels: JSON.parse(row.labels),
    givenName: row.given_name,
    givenLabels: row.given_labels === null ? null : JSON.parse(row.given_labels),
    tier: row.tier,
    pinnedTier: row.pinned_tier,
    reasons: JSON.parse(row.reasons),
    hardware: JSON.parse(row.hardware),
    available: JSON.parse(row.available),
    instance: row.instance,
    lastSeenAt: row.last_seen_at,
    draining: row.draining !== 0,
    revokedAt: row.revoked_at,
  };
}

export function workerValues(record: WorkerRecord): WorkerRow {
  return {
    id: record.id,
    join_key: record.joinKey,
    join_token: record.joinToken,
    owner: record.owner,
    trust: record.trust,
    joined_at: record.joinedAt,
    name: record.name,
    labels: JSON.stringify(record.labels),
    given_name: record.givenName,
    given_labels: print(record.givenLabels),
    tier: record.tier,
    pinned_tier: record.pinnedTier,
    reasons: JSON.stringify(record.reasons),
    hardware: JSON.stringify(record.hardware),
    available: JSON.stringify(record.available),
    instance: record.instance,
    last_seen_at: record.lastSeenAt,
    draining: record.draining ? 1 : 0,
    revoked_at: record.revokedAt,
  };
}

export interface TokenRow {
  id: string;
  role: TokenRecord['role'];
  name: string;
  subject: string;
  owner: string;
  trust: TokenRecord['trust'];
  created_at: number;
  expires_at: number;
  uses_left: number;
  revoked_at: number;
  last_used_at: number;
}

export function tokenFromRow(row: TokenRow): TokenRecord {
  return {
    id: row.id,
    role: row.role,
    name: row.name,
    subject: row.subject,
    owner: row.owner,
    trust: row.trust,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    usesLeft: row.uses_left,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
  };
}

export function tokenValues(record: TokenRecord): TokenRow {
  return {
    id: record.id,
    role: record.role,
    name: record.name,
    subject: record.subject,
    owner: record.owner,
    trust: record.trust,
    created_at: record.createdAt,
    expires_at: record.expiresAt,
    uses_left: record.usesLeft,
    revoked_at: record.revokedAt,
    last_used_at: record.lastUsedAt,
  };
}

export interface BindingRow {
  workload: string;
  worker: string;
  runtime: Binding['runtime'];
  bound_at: number;
}

export function bindingFromRow({ workload, worker, runtime, bound_at }: BindingRow): Binding & { workload: string } {
  return { workload, worker, runtime, boundAt: bound_at };
}
