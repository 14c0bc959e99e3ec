/** SQLite's caches follow the memory that there is: the machine's, or a control group's. */
import { memoryLimit } from '@rma/server/store/memory-limit';
import { cacheKiB } from '@rma/server/store/sqlite';
import { expect, it } from 'vitest';

const MIB = 1_048_576;
const GIB = 1_024 * MIB;
const V1 = '/sys/fs/cgroup/memory/memory.limit_in_bytes';
const V2 = '/sys/fs/cgroup/memory.max';

it.each([
  ['none', 0, {}, 8 * GIB],
  ["a group's own, as libuv reads it", 256 * MIB, {}, 256 * MIB],
  ["libuv's figure for none", 2 ** 64, {}, 8 * GIB],
  ['version 2', 0, { [V2]: `${256 * MIB}\n` }, 256 * MIB],
  ['version 2 without a limit', 0, { [V2]: 'max\n' }, 8 * GIB],
  ['version 1', 0, { [V1]: `${512 * MIB}\n` }, 512 * MIB],
  ['version 1 without a limit', 0, { [V1]: '9223372036854771712\n' }, 8 * GIB],
  ['the smallest of several', 512 * MIB, { [V2]: `${256 * MIB}\n` }, 256 * MIB],
])('the limit of a control group: %s', (_what, constrained, files: Record<string, string>, expected) => {
  expect(memoryLimit({ total: 8 * GIB, constrained, read: (path) => files[path] })).toBe(expected);
});

it.each([
  [16 * GIB, 64, 16],
  [2 * GIB, 64, 16],
  [256 * MIB, 8, 2],
  [32 * MIB, 2, 1],
])('with %i bytes of memory writer and reader cache %i and %i MiB', (memory, writer, reader) => {
  expect([cacheKiB(memory, 'writer'), cacheKiB(memory, 'reader')]).toEqual([writer * 1_024, reader * 1_024]);
});
