/** Tasks as the core holds them, for topics that are told of them. */
import type { Task } from '@rma/server/core/task';
import { v7 } from 'uuid';
import { taskRecord } from '../../support/task-record.js';

let seq = 0;

export function aTask(over: Partial<Task> = {}): Task {
  seq += 1;
  return taskRecord(seq, { id: v7(), owner: 'client', submittedAt: 1_000 + seq, ...over });
}

export function endedTask(over: Partial<Task> = {}): Task {
  return aTask({ state: 'succeeded', attempt: 1, worker: 'w-abcd', startedAt: 1_500, endedAt: 2_000, ...over });
}
