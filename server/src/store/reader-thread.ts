/** The thread that answers questions about the past, on a read-only connection of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { TASK_STATES, type TaskState } from '@rma/protocol/task';
import type { EventRecord } from '../core/effects.js';
import { type EventTask, unpackEvents } from './event-log.js';
import type { Answer, Question, Said, StoredTask } from './reader.js';
import { STATE_CODE } from './rows.js';
import { openReader } from './sqlite.js';

const DEADLINE_MS = 1_200;

/** When the question at hand is given up; the reader gives it up a little earlier. */
let deadlineMs = 0;
const database = open((workerData as { file: string }).file);

function open(file: string): ReturnType<typeof openReader> {
  try {
    const opened = openReader(file);
    // Called for every row of a scan: SQLite alone would notice neither the time nor that its thread is being ended.
    opened.function('wanted', { deterministic: false, directOnly: true }, (_seq: unknown) => {
      if (performance.now() > deadlineMs) throw new Error('the query took too long');
      return 1;
    });
    return opened;
  } catch (error) {
    // A SqliteError loses its message on its way out of a thread.
    throw new Error(error instanceof Error ? error.message : String(error));
  }
}

const COLUMNS = `seq, id, owner, kind, lane, priority, state, attempt, worker, submitted_at, started_at, ended_at, due_at,
  options, error, length(input) AS input_bytes, length(output) AS output_bytes`;

interface Row {
  seq: number;
  id: string;
  owner: string;
  kind: string;
  lane: number;
  priority: number;
  state: number;
  attempt: number;
  worker: string | null;
  submitted_at: number;
  started_at: number;
  ended_at: number | null;
  due_at: number | null;
  options: string | null;
  error: string | null;
  input_bytes: number;
  output_bytes: number | null;
}

function taskOf(row: Row): StoredTask {
  const options =
    row.options === null ? null : (JSON.parse(row.options) as { constraints?: StoredTask['constraints'] });
  return {
    seq: row.seq,
    lane: row.lane,
    id: row.id,
    kind: row.kind,
    state: TASK_STATES[row.state] as TaskState,
    priority: row.priority,
    attempt: row.attempt,
    owner: row.owner,
    submittedAt: row.submitted_at,
    inputBytes: row.input_bytes,
    ...(row.worker === null ? {} : { worker: row.worker }),
    ...(row.started_at === 0 ? {} : { startedAt: row.started_at }),
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
    ...(row.due_at === null ? {} : { dueAt: row.due_at }),
    ...(row.error === null ? {} : { error: JSON.parse(row.error) }),
    ...(row.output_bytes === null ? {} : { outputBytes: row.output_bytes }),
    ...(options?.constraints ? { constraints: options.constraints } : {}),
  };
}

function answer(question: Question): unknown {
  switch (question.what) {
    case 'tasks': {
      const where = ['wanted(seq)'];
      const values: unknown[] = [];
      const add = (clause: string, value: unknown) => {
        where.push(clause);
        values.push(value);
      };
      if (question.owner !== undefined) add('owner = ?', question.owner);
      if (question.state !== undefined) add('state = ?', STATE_CODE[question.state]);
      if (question.kind !== undefined) add('kind = ?', question.kind);
      if (question.before !== undefined) add('seq < (SELECT seq FROM tasks WHERE id = ?)', question.before);
      const filter = where.join(' AND ');
      const rows = database.prepare(`SELECT ${COLUMNS} FROM tasks WHERE ${filter} ORDER BY seq DESC LIMIT ?`);
      return (rows.all(...values, question.limit) as Row[]).map(taskOf);
    }
    case 'task': {
      const row = database.prepare(`SELECT ${COLUMNS} FROM tasks WHERE id = ?`).get(question.id) as Row | undefined;
      if (!row) return null;
      const attempts = database
        .prepare(
          'SELECT attempt, worker, started_at, ended_at, code, message FROM attempts WHERE seq = ? ORDER BY attempt',
        )
        .all(row.seq) as {
        attempt: number;
        worker: string;
        started_at: number;
        ended_at: number;
        code: string;
        message: string;
      }[];
      return {
        task: taskOf(row),
        attempts: attempts.map((a) => ({
          attempt: a.attempt,
          worker: a.worker,
          startedAt: a.started_at,
          endedAt: a.ended_at,
          error: { code: a.code, message: a.message },
        })),
      };
    }
    case 'output': {
      const output = database.prepare('SELECT output FROM tasks WHERE id = ?').pluck().get(question.id);
      return output ?? null;
    }
    case 'events': {
      const rows = database.prepare('SELECT first, at, events FROM events WHERE last > ? ORDER BY first LIMIT 1000');
      const taskOf = database.prepare('SELECT id, owner, kind, priority FROM tasks WHERE seq = ?');
      const events: EventRecord[] = [];
      let last = question.since;
      for (const row of rows.iterate(question.since) as IterableIterator<{
        first: number;
        at: number;
        events: Buffer;
      }>) {
        for (const event of unpackEvents(row, (seq) => taskOf.get(seq) as EventTask | undefined)) {
          if (event.seq <= question.since || events.length >= question.limit) continue;
          last = event.seq;
          events.push(event);
        }
        if (events.length >= question.limit) break;
      }
      return { events, last };
    }
  }
}

parentPort?.on('message', ({ id, question }: { id: number; question: Question }) => {
  let reply: Answer;
  try {
    deadlineMs = performance.now() + DEADLINE_MS;
    reply = { id, ok: true, value: answer(question) };
  } catch (error) {
    reply = { id, ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  parentPort?.postMessage(reply);
});

parentPort?.postMessage('ready' satisfies Said);
