/** Room kept for results: taken when there is enough, given up when there is not, taken back later. */
import { existsSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { openReserve } from '@rma/server/runtime/reserve';
import { describe, expect, it, onTestFinished } from 'vitest';
import { needs } from '../support/needs.js';
import { Tmpfs } from '../support/tmpfs.js';
import { testDirectory } from './records.js';

const MIB = 1_048_576;
const fileIn = (dir: string) => join(dir, 'reserve.bin');

it('reserves a file of that size, and again after it was released', () => {
  const dir = testDirectory();
  const reserve = openReserve(dir, MIB);
  expect(statSync(fileIn(dir)).size).toBe(MIB);
  expect(reserve.isFull(false)).toBe(false);
  reserve.release();
  expect(existsSync(fileIn(dir))).toBe(false);
  expect(reserve.isFull(true)).toBe(false);
  expect(statSync(fileIn(dir)).size).toBe(MIB);
});

it('reserves anew where a start left part of the file, or for another size', () => {
  const dir = testDirectory();
  openReserve(dir, MIB);
  truncateSync(fileIn(dir), 1_000);
  openReserve(dir, MIB);
  expect(statSync(fileIn(dir)).size).toBe(MIB);
  openReserve(dir, 2 * MIB);
  expect(statSync(fileIn(dir)).size).toBe(2 * MIB);
});

it('reserves nothing on a disk that is smaller than the reserve, and reports it full', () => {
  const dir = testDirectory();
  const reserve = openReserve(dir, 2 ** 52);
  expect(existsSync(fileIn(dir))).toBe(false);
  expect(reserve.isFull(false)).toBe(true);
  expect(reserve.isFull(true)).toBe(true);
});

describe('on a small disk', needs('tmpfs'), () => {
  function smallDisk(): Tmpfs {
    const disk = new Tmpfs(16);
    onTestFinished(() => disk.unmount());
    return disk;
  }

  it('keeps real blocks: no other program gets them', () => {
    const disk = smallDisk();
    const reserve = openReserve(disk.dir, 4 * MIB);
    disk.fill();
    expect(statSync(join(disk.dir, 'filler.bin')).size).toBe(12 * MIB);
    expect(reserve.isFull(false)).toBe(true);
  });

  it('reports full while the reserve itself is the only room, and reserves again before it reports otherwise', () => {
    const disk = smallDisk();
    const reserve = openReserve(disk.dir, 4 * MIB);
    disk.fill();
    reserve.release();
    expect(reserve.isFull(true)).toBe(true);
    expect(existsSync(fileIn(disk.dir))).toBe(false);
    disk.empty();
    expect(reserve.isFull(true)).toBe(false);
    expect(statSync(fileIn(disk.dir)).size).toBe(4 * MIB);
  });

  it('frees the reserve of an earlier start when it starts on a full disk', () => {
    const disk = smallDisk();
    openReserve(disk.dir, 4 * MIB);
    disk.fill();
    const reserve = openReserve(disk.dir, 4 * MIB);
    expect(existsSync(fileIn(disk.dir))).toBe(false);
    expect(reserve.isFull(false)).toBe(true);
  });
});
