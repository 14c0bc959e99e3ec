/** The filter of the list of tasks, in the URL and for the coordinator. */
import { describe, expect, it } from 'vitest';
import {
  filterOf,
  isFiltered,
  matches,
  NO_FILTER,
  problemOf,
  queryOf,
  taskIdOf,
  topicFilter,
} from '../../dashboard/src/lib/tasks/filter.js';

const ID = '0198a3c2-5b7e-7c41-9d55-0a1b2c3d4e5f';

describe('a filter in an address', () => {
  it.each([
    NO_FILTER,
    { ...NO_FILTER, states: ['failed', 'expired'] as const },
    { ...NO_FILTER, kind: 'ocr.read', owner: 'Ada & <b>', worker: 'w-abcd1234', limit: 200, search: 'a b+c' },
  ])('comes back as it was', (filter) => {
    expect(filterOf(new URLSearchParams(queryOf(filter)))).toEqual(filter);
  });

  it('leaves out what is as always, and reads well', () => {
    expect(queryOf(NO_FILTER)).toBe('');
    expect(queryOf({ ...NO_FILTER, states: ['queued', 'running'] })).toBe('?state=queued,running');
  });

  it('takes no state, limit or other thing that there is not', () => {
    expect(filterOf(new URLSearchParams('state=nothing,queued&limit=7&more=1'))).toEqual({
      ...NO_FILTER,
      states: ['queued'],
    });
  });
});

describe('a filter for the coordinator', () => {
  it('holds nothing that it would refuse', () => {
    const filter = { ...NO_FILTER, kind: 'No Kind', worker: 'x', owner: 'o'.repeat(200) };
    expect(topicFilter(filter, true)).toEqual({ limit: 100 });
    expect(problemOf('kind', 'No Kind')).toMatch(/ocr\.read/);
  });

  it('names an owner for admins alone', () => {
    const filter = { ...NO_FILTER, owner: 'ada' };
    expect(topicFilter(filter, true)).toEqual({ limit: 100, owner: 'ada' });
    expect(topicFilter(filter, false)).toEqual({ limit: 100 });
  });
});

it('a task is found by its full id, in any form, and by the text shown of it', () => {
  expect(taskIdOf(` ${ID.toUpperCase()}\n`)).toBe(ID);
  expect(taskIdOf('0198a3c2')).toBeUndefined();
  const task = { id: ID, kind: 'ocr.read', owner: 'Ada', error: { code: 'timeout', message: 'Too slow' } };
  expect(['D4E5F', 'ocr', 'ada', 'too SLOW', ''].every((text) => matches(task, text))).toBe(true);
  expect(matches(task, 'embed')).toBe(false);
  expect(isFiltered(NO_FILTER)).toBe(false);
});
