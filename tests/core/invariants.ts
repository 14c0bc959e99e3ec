/** Invariants after every turn: memory, store and counts agree, and no slot or task is left over. */
import { isTerminal } from '@rma/protocol/task';
import type { Attempt } from '@rma/server/core/attempt';
import type { StoredAttempt } from '@rma/server/core/effects';
import { queuedIn } from '@rma/server/core/lane';
import type { Task } from '@rma/server/core/task';
import { acceptsTasks, freeService, mismatch } from '@rma/server/core/worker';
import type { AgentModel } from './agent-model.js';
import type { Pool } from './harness.js';
import { checkIndex } from './index-invariants.js';

/** Tasks that ended, as they were first seen; what is in it must never change. */
export type Endings = Map<string, string>;

/** @param agents the workers, who count their slots themselves */
export function checkInvariants(pool: Pool, endings: Endings, agents: readonly AgentModel[]): void {
  const rows = [...pool.memory.tables.tasks.values()];
  checkEndings(rows, endings);
  checkCounts(pool, rows);
  checkLanes(pool, rows);
  checkMemory(pool, rows);
  checkSlots(pool, agents);
  checkWatchers(pool);
  checkIndex(pool);
  if (!pool.pending) checkNoLaneIsStuck(pool);
}

function checkEndings(rows: readonly Task[], endings: Endings): void {
  for (const { id, state, attempt, output, error, endedAt } of rows) {
    if (!isTerminal(state)) {
      same(endings.has(id), false, `${id} ended once and is open`);
      continue;
    }
    const ending = JSON.stringify([state, attempt, output && [...output], error, endedAt]);
    same(ending, endings.get(id) ?? ending, `the end of ${id}`);
    endings.set(id, ending);
  }
}

function checkCounts(pool: Pool, rows: readonly Task[]): void {
  const { state, memory } = pool;
  const inState = (name: Task['state']) => rows.filter((row) => row.state === name).length;
  same(state.queued, inState('queued'), 'queued');
  same(state.scheduled, inState('scheduled'), 'scheduled');
  same(state.running.size, inState('running'), 'running');
  for (const kind of new Set([...state.kinds.keys(), ...rows.map((row) => row.kind)])) {
    const running = rows.filter((row) => row.kind === kind && row.state === 'running').length;
    same(state.kinds.get(kind)?.running ?? 0, running, `running of the kind ${kind}`);
  }
  for (const name of ['succeeded', 'failed', 'cancelled', 'expired'] as const) {
    same(state.ended.get(name) ?? 0, inState(name), name);
    same(memory.tables.ended.get(name) ?? 0, inState(name), `${name} on disk`);
  }
  for (const owner of new Set(rows.map((row) => row.owner))) {
    const open = rows.filter((row) => row.owner === owner && !isTerminal(row.state)).length;
    same(state.openPerOwner.get(owner) ?? 0, open, `open tasks of ${owner}`);
    same(memory.tables.owners.get(owner) ?? 0, open, `open tasks of ${owner} on disk`);
  }
  same(state.lastEvent, memory.tables.events.length, 'the last event');
}

function checkLanes(pool: Pool, rows: readonly Task[]): void {
  const { state, memory } = pool;
  sameSet(state.lanes.keys(), memory.tables.lanes.keys(), 'the lanes');
  same(state.lanesByKey.size, state.lanes.size, 'lanes by key');
  for (const lane of state.lanes.values()) {
    const stored = memory.queuedIn(lane.id);
    const open = rows.filter((row) => row.lane === lane.id && !isTerminal(row.state)).length;
    const onDisk = memory.tables.lanes.get(lane.id);
    same(queuedIn(lane), stored.length, `queued in lane ${lane.key}`);
    same(onDisk?.queued, stored.length, `queued in lane ${lane.key} on disk`);
    same(lane.open, open, `open in lane ${lane.key}`);
    same(onDisk?.open, open, `open in lane ${lane.key} on disk`);
    const held = lane.window.map(({ seq }) => seq).reverse();
    same(`${held}`, `${stored.slice(0, held.length).map(({ seq }) => seq)}`, `the window of lane ${lane.key}`);
    const weights = lane.window.map(({ input }) => input.length + 256);
    same(
      lane.windowBytes,
      weights.reduce((sum, weight) => sum + weight, 0),
      `the bytes of lane ${lane.key}`,
    );
    const bounded = lane.window.length <= 2 * state.settings.windowTasks;
    same(bounded, true, `the bound of the window of lane ${lane.key}`);
  }
}

function checkMemory(pool: Pool, rows: readonly Task[]): void {
  const { state } = pool;
  const held = [...state.lanes.values()].flatMap((lane) => lane.window);
  sameSet(state.tasks.values(), [...held, ...state.running], 'the tasks in memory');
  const bySeq = new Map(rows.map((row) => [row.seq, row]));
  const essence = (task: Task | undefined) =>
    task && [task.state, task.attempt, task.worker, task.dueAt, task.failures, task.lost, task.startedAt].join();
  for (const task of state.tasks.values()) {
    same(essence(task), essence(bySeq.get(task.seq)), `the row of ${task.id}`);
    same(`${task.stored?.state},${task.stored?.attempt}`, `${task.state},${task.attempt}`, `${task.id} as stored`);
  }
}

function checkSlots(pool: Pool, agents: readonly AgentModel[]): void {
  const { state } = pool;
  const records = [...state.workers.values()].flatMap(({ record, attempts }) =>
    [...attempts].map(([key, attempt]) => ({ ...attempt, key, worker: record.id })),
  );
  const running = records.filter(({ state: its }) => its === 'running');
  const keyOf = ({ id, attempt }: Task) => `${id}#${attempt}`;
  sameSet(
    running.map(({ key, worker }) => `${key} ${worker}`),
    [...state.running].map((task) => `${keyOf(task)} ${task.worker}`),
    'the running attempts',
  );
  for (const worker of state.workers.values()) {
    same(worker.running, running.filter(({ worker: id }) => id === worker.record.id).length, 'the number of attempts');
  }
  checkRows(pool, records);
  if (!pool.pending) for (const agent of agents) checkTheirSlots(pool, agent);
}

/** After a start the same slots are taken, of the same services: the rows say what memory says. */
function checkRows({ memory }: Pool, records: readonly (Attempt & { key: string; worker: string })[]): void {
  const text = ({ seq, attempt, worker, state, service }: StoredAttempt) =>
    [seq, attempt, worker, state, service].join();
  const rows = [...memory.tables.attempts.values()].filter(({ state }) => state !== 'ended');
  // What a worker reported and nobody knows has no row; a hello may name another service than the row does.
  const known = records.filter(({ seq }) => seq !== 0);
  sameSet(rows.map(text), known.map(text), 'the rows of attempts');
}

/** The slots that count as taken are those in which the worker's own handlers run, whenever both know the same. */
function checkTheirSlots({ state }: Pool, agent: AgentModel): void {
  const worker = state.workers.get(agent.id);
  if (!worker || !agent.isInStep || worker.session !== agent.session) return;
  for (const [name, { used }] of worker.services) {
    const { least, most } = agent.occupied(name);
    same(used >= least && used <= most, true, `${used} of ${least} to ${most} slots of ${name} on ${worker.record.id}`);
  }
}

function checkWatchers(pool: Pool): void {
  const { watchers, sessions } = pool.state;
  const bySession = [...sessions.values()].flatMap(({ id, watching }) => [...watching].map((task) => `${id} ${task}`));
  const byTask = [...watchers].flatMap(([task, ids]) => [...ids].map((id) => `${id} ${task}`));
  sameSet(byTask, bySession, 'the watchers');
}

/** No task waits while a worker that may run it has room, but for one on which its last attempt came to nothing. */
function checkNoLaneIsStuck(pool: Pool): void {
  const { lanes, workers } = pool.state;
  for (const lane of lanes.values()) {
    if (queuedIn(lane) === 0) continue;
    const idle = [...workers.values()].find(
      (worker) =>
        acceptsTasks(worker) &&
        freeService(worker, lane.kind) &&
        !mismatch(worker, lane.constraints) &&
        lane.window.some(({ triedOn }) => !triedOn.includes(worker.record.id)),
    );
    same(idle?.record.id, undefined, `lane ${lane.key} waits beside an idle worker`);
  }
}

/** Compared without the care of `expect`, which would take most of a long run's time. */
function same<T>(found: T, expected: T, what: string): void {
  if (found !== expected) throw new Error(`${what}: found ${found}, expected ${expected}`);
}

function sameSet<T>(found: Iterable<T>, expected: Iterable<T>, what: string): void {
  const [a, b] = [[...found], [...expected]];
  const all = new Set(b);
  same(a.length, b.length, `the number of ${what}`);
  same(new Set(a).size, a.length, `${what} without doubles`);
  const unexpected = a.find((one) => !all.has(one));
  if (unexpected !== undefined) throw new Error(`${what}: ${JSON.stringify(unexpected)} is not expected`);
}
