import { isTerminal, TASK_MOVES, TASK_STATES, TaskId, type TaskState } from '@rma/protocol/task';
import { Check } from 'typebox/value';
import { describe, expect, it } from 'vitest';

const moves = Object.entries(TASK_MOVES) as [TaskState | 'new', readonly TaskState[]][];

function reachable(from: TaskState | 'new', seen = new Set<TaskState | 'new'>()): Set<TaskState | 'new'> {
  if (seen.has(from)) return seen;
  seen.add(from);
  for (const to of TASK_MOVES[from]) reachable(to, seen);
  return seen;
}

describe('the legal moves of a task', () => {
  it('are listed for every state, and lead to states that exist', () => {
    expect(moves.map(([from]) => from).sort()).toEqual(['new', ...TASK_STATES].sort());
    for (const [, to] of moves) expect(TASK_STATES).toEqual(expect.arrayContaining([...to]));
  });

  it('reach every state from the start', () => {
    expect([...reachable('new')].sort()).toEqual(['new', ...TASK_STATES].sort());
  });

  it('lead from every open state to an end, and to a cancelled end', () => {
    for (const state of TASK_STATES.filter((state) => !isTerminal(state))) {
      expect([...reachable(state)].some((end) => end !== 'new' && isTerminal(end))).toBe(true);
      expect(TASK_MOVES[state]).toContain('cancelled');
    }
  });

  it('never leave an end', () => {
    for (const state of ['succeeded', 'failed', 'cancelled', 'expired'] as const) expect(isTerminal(state)).toBe(true);
    for (const state of ['scheduled', 'queued', 'running'] as const) expect(isTerminal(state)).toBe(false);
  });

  it('let a task succeed only by running, and run only out of the queue', () => {
    const origins = (state: TaskState) => moves.filter(([, to]) => to.includes(state)).map(([from]) => from);
    expect(origins('succeeded')).toEqual(['running']);
    expect(origins('running')).toEqual(['queued']);
  });
});

describe('a task id', () => {
  it('is a UUIDv7 in lower case', () => {
    expect(Check(TaskId, '0198f0aa-3b00-7c51-9d42-6f1f5f0c2a11')).toBe(true);
    for (const id of [
      '0198F0AA-3B00-7C51-9D42-6F1F5F0C2A11',
      '0198f0aa-3b00-4c51-9d42-6f1f5f0c2a11',
      '0198f0aa-3b00-7c51-cd42-6f1f5f0c2a11',
      '0198f0aa3b007c519d426f1f5f0c2a11',
      '0198f0aa-3b00-7c51-9d42-6f1f5f0c2a11\n',
    ]) {
      expect(Check(TaskId, id)).toBe(false);
    }
  });
});
