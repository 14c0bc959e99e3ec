/** What workers report of their attempts. A report about an attempt that is not theirs, or not current, changes nothing. */
import { LIMITS } from '@rma/protocol/limits';
import { type AttemptResult, isTerminal } from '@rma/protocol/task';
import type { UpOf } from '@rma/protocol/up';
import { attemptKey, closeAttempt } from './attempt.js';
import { outgoingOf } from './effects.js';
import { believeMore } from './matching/believed-slots.js';
import type { Session } from './session.js';
import type { Task } from './task.js';
import { endTask, failAttempt, loseAttempt, release, succeed, type TaskOutcome } from './task-lifecycle.js';
import { findTask, notifyChanged, sendError, type Turn } from './turn.js';
import type { Worker } from './worker.js';

const BLOB_MISSING = 'output.blob_missing';

export function results(turn: Turn, worker: Worker, message: UpOf<'results'>, session: Session): void {
  const outgoing = outgoingOf(turn.effects, session.id);
  for (const result of message.results) {
    const { task: id, attempt } = result;
    outgoing.acknowledgedResults.push({ task: id, attempt });
    const record = worker.attempts.get(attemptKey(id, attempt));
    if (record?.state === 'stopping') {
      closeAttempt(turn, worker, record);
      continue;
    }
    const task = findTask(turn, id);
    if (!task || task.worker !== worker.record.id || task.attempt !== attempt || isTerminal(task.state)) continue;
    accept(turn, task, worker, result);
  }
}

/** The result of a task's latest attempt: a running one, or one that was given up and not dispatched again. */
function accept(turn: Turn, task: Task, worker: Worker, result: AttemptResult): void {
  const running = task.state === 'running';
  if (running) release(turn, task, 'nothing');
  const { error, output, blobs } = result;
  if (!error) {
    const fault = outputFault(turn, task, output, blobs);
    // Swept while its worker was away, if it ever came: another attempt brings it, or the next ones fail as well.
    if (fault?.code === BLOB_MISSING) {
      if (running) failAttempt(turn, task, fault, true);
    } else if (fault) endTask(turn, task, 'failed', { error: fault });
    else {
      believeMore(worker);
      succeed(turn, task, outcomeOf(output, blobs), result.runMs);
    }
    return;
  }
  if (!running) return;
  const { code, message } = error;
  if (code === 'cancelled' || code === 'refused') {
    const handedBack = worker.leaving || worker.record.draining;
    loseAttempt(turn, task, { code, message }, !handedBack);
  } else failAttempt(turn, task, { code, message }, error.retryable);
}

function outcomeOf(output: Uint8Array | undefined, blobs: readonly string[] | undefined): TaskOutcome {
  return { ...(output ? { output } : {}), ...(blobs ? { blobs } : {}) };
}

function outputFault(
  turn: Turn,
  task: Task,
  output: Uint8Array | undefined,
  blobs: readonly string[] | undefined,
): { code: string; message: string } | undefined {
  if (!output) return { code: 'output.missing', message: 'the worker sent neither output nor error' };
  if (output.length > LIMITS.maxInlineBytes) {
    return {
      code: 'output.too_large',
      message: `the output has ${output.length} bytes, at most ${LIMITS.maxInlineBytes} go inline (maxInlineBytes)`,
    };
  }
  for (const blob of blobs ?? []) {
    if (!turn.batch.blobsHeld.has(`${task.owner} ${blob}`)) {
      return { code: BLOB_MISSING, message: `the worker named the blob ${blob} without uploading it` };
    }
  }
  return undefined;
}

function runningOn(turn: Turn, worker: Worker, id: string, attempt: number): Task | undefined {
  const record = worker.attempts.get(attemptKey(id, attempt));
  return record?.state === 'running' ? turn.state.tasks.get(id) : undefined;
}

export function chunks(turn: Turn, worker: Worker, message: UpOf<'chunks'>, session: Session): void {
  const { effects, state } = turn;
  const acknowledged = outgoingOf(effects, session.id).acknowledgedChunks;
  for (const { task: id, attempt, chunk, data } of message.chunks) {
    const key = attemptKey(id, attempt);
    const task = runningOn(turn, worker, id, attempt);
    if (!task) {
      acknowledged.set(key, { task: id, attempt, chunk });
      continue;
    }
    if (chunk > task.lastChunk + 1) {
      sendError(turn, session.id, 'invalid', `task ${id}: chunk ${chunk} came after ${task.lastChunk}; send in order`, {
        about: 'chunks',
      });
      continue;
    }
    if (chunk === task.lastChunk + 1) {
      if (
        data.length > LIMITS.maxInlineBytes ||
        task.chunkBytes + data.length > state.settings.maxChunkBytesPerAttempt
      ) {
        outgoingOf(effects, session.id).stops.push({ task: id, attempt, reason: 'too much streamed output' });
        release(turn, task, 'stopping');
        endTask(turn, task, 'failed', {
          error: {
            code: 'output.too_large',
            message: `a chunk above ${LIMITS.maxInlineBytes} bytes, or all above ${state.settings.maxChunkBytesPerAttempt}`,
          },
        });
        continue;
      }
      task.lastChunk = chunk;
      task.chunkBytes += data.length;
      effects.persist.chunks.push({ seq: task.seq, attempt, chunk, data });
      for (const watcher of state.watchers.get(id) ?? []) {
        outgoingOf(effects, watcher).chunks.push({ task: id, attempt, chunk, data });
      }
    }
    acknowledged.set(key, { task: id, attempt, chunk: task.lastChunk });
  }
}

export function progress(turn: Turn, worker: Worker, message: UpOf<'progress'>): void {
  const task = runningOn(turn, worker, message.task, message.attempt);
  if (!task) return;
  notifyChanged(turn, task, {
    fraction: message.fraction,
    ...(message.note === undefined ? {} : { note: message.note }),
  });
}
