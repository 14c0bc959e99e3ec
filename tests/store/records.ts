/** Records as the core makes them, and commits, for tests of the store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EventRecord, makeEffects, type Persist } from '@rma/server/core/effects';
import { type Lane, makeLane } from '@rma/server/core/lane';
import type { Task } from '@rma/server/core/task';
import { onTestFinished } from 'vitest';
import { taskRecord } from '../support/task-record.js';

export const NOW = Date.UTC(2026, 1, 1, 12);

/** A directory that goes when the test has finished; what holds files in it must be closed by then. */
export function testDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'rma-store-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function makeTask(seq: number, fields: Partial<Task> = {}): Task {
  return taskRecord(seq, { submittedAt: NOW, ...fields });
}

export const theLane = (id = 1): Lane => makeLane(id, id === 1 ? 'echo' : `echo ${id}`, 'echo', {}, 'alice');

/** A commit of the parts that a test names, and nothing else. */
export function persistOf(parts: Partial<{ -readonly [K in keyof Persist]: Persist[K] }>): Persist {
  return { ...makeEffects().persist, ...parts };
}

/** These tasks, and the counts that go with them. */
export function tasksOf(...tasks: Task[]): Persist {
  return persistOf({ tasks: new Set(tasks) });
}

/** One that stands for itself; those about tasks lead to the task's row. */
export function event(seq: number, fields: Partial<EventRecord> = {}): EventRecord {
  const common = { seq, at: NOW, subject: `w-${seq}`, owner: '', data: { n: seq }, task: 0 };
  return { ...common, type: 'worker.online', ...fields };
}
