/** A task as the core holds it, newly queued, with what a test says of it. */
import type { Task } from '@rma/server/core/task';

export function taskRecord(seq: number, fields: Partial<Task> = {}): Task {
  return {
    seq,
    id: `00000000-0000-7000-8000-${String(seq).padStart(12, '0')}`,
    owner: 'alice',
    kind: 'echo',
    lane: 1,
    priority: 0,
    input: Uint8Array.of(0xc0),
    blobs: null,
    options: null,
    submittedAt: 0,
    state: 'queued',
    attempt: 0,
    failures: 0,
    lost: 0,
    worker: null,
    startedAt: 0,
    endedAt: 0,
    dueAt: 0,
    output: null,
    outputBlobs: null,
    error: null,
    triedOn: [],
    stored: null,
    lastChunk: 0,
    chunkBytes: 0,
    ...fields,
  };
}
