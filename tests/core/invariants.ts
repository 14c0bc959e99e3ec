/** Invariants after every turn: memory, store and counts agree, and no slot or task is left over. */
import { isTerminal } from '@rma/protocol/task';
import { queuedIn } from '@rma/server/core/lane';
import type { Task } from '@rma/server/core/task';
import { acceptsTasks, freeService, mismatch } from '@rma/server/core/worker';
import type { Pool } from './harness.js';
import { checkIndex } from './index-invariants.js';

/** Tasks that ended, as they were first seen; what is in it must never change. */
export type Endings = Map<string, string>;

export function checkInvariants(pool: Pool, endings: Endings): void {
  const rows = [...pool.memory.tables.tasks.values()];
  checkEndings(rows, endings);
  checkCounts(pool, rows);
  checkLanes(pool, rows);
  checkMemory(pool, rows);
  checkSlots(pool);
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

function checkSlots(pool: Pool): void {
  const { state } = pool;
  const attempts = [...state.workers.values()].flatMap((worker) => [...worker.running.values()]);
  sameSet(attempts, state.running, 'the running attempts');
  for (const worker of state.workers.values()) {
    for (const task of worker.running.values()) same(task.worker, worker.record.id, `the worker of ${task.id}`);
    if (worker.session === 0) same(worker.stopping.size, 0, `stopping on the absent ${worker.record.id}`);
    for (const { service, used } of worker.services.values()) {
      const running = [...worker.running.values()].filter((task) => task.service === service.name).length;
      const stopping = [...worker.stopping.values()].filter((stop) => stop.service === service.name).length;
      same(used, running + stopping, `slots of ${worker.record.id}`);
    }
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
        lane.window.some(({ triedOn }) => !triedOn?.includes(worker.record.id)),
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
