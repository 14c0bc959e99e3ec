/** Tasks as the core holds them, for topics that are told of them. */
import type { Task } from '@rma/server/core/task';
import { v7 } from 'uuid';

let seq = 0;

export function aTask(over: Partial<Task> = {}): Task {
  seq += 1;
  return {
    seq,
    id: v7(),
    owner: 'client',
    kind: 'echo',
    lane: 1,
    priority: 0,
    input: new Uint8Array([0xc0]),
    blobs: null,
    options: null,
    submittedAt: 1_000 + seq,
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
    stored: null,
    service: '',
    deadlineMs: 0,
    lastChunk: 0,
    chunkBytes: 0,
    ...over,
  };
}

export function endedTask(over: Partial<Task> = {}): Task {
  return aTask({ state: 'succeeded', attempt: 1, worker: 'w-abcd', startedAt: 1_500, endedAt: 2_000, ...over });
}
