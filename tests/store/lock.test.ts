/** One coordinator a data directory. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DirectoryLocked, lockDirectory } from '@rma/server/store/lock';
import { expect, it } from 'vitest';
import { StartFailed, startCoordinatorProcess } from '../support/coordinator-process.js';
import { testDirectory } from './records.js';

it('refuses a second coordinator on the same directory with status 3, names the holder, and disturbs nothing', async () => {
  const data = testDirectory();
  const first = await startCoordinatorProcess(data);
  try {
    const refused = await startCoordinatorProcess(data).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StartFailed);
    const { exit, stderr } = refused as StartFailed;
    expect(exit.code).toBe(3);
    expect(stderr).toContain(`the data directory ${data} is in use by process ${first.pid} on `);
    expect(stderr).toContain('stop that coordinator first, or choose another with --data');
    expect((await fetch(`${first.http}/health`)).status).toBe(200);
  } finally {
    await first.kill();
  }
});

it('gives the lock back to the system when it is killed', async () => {
  const data = testDirectory();
  const first = await startCoordinatorProcess(data);
  await first.kill();
  const second = await startCoordinatorProcess(data);
  expect(await second.stop()).toEqual({ code: 0, signal: null });
});

it('can be taken again once it is released', () => {
  const data = testDirectory();
  lockDirectory(data).release();
  const lock = lockDirectory(data);
  expect(() => lockDirectory(data)).toThrow(DirectoryLocked);
  lock.release();
});

it('names another process where the note of the holder is gone or empty', () => {
  const data = testDirectory();
  const lock = lockDirectory(data);
  writeFileSync(join(data, 'lock.txt'), '');
  expect(() => lockDirectory(data)).toThrow('in use by another process;');
  rmSync(join(data, 'lock.txt'));
  expect(() => lockDirectory(data)).toThrow('in use by another process (ENOENT');
  lock.release();
});
