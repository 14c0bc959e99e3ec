/**
 * Room that is kept for results: a file of real blocks that is given up when the disk is full, so that what workers
 * finished still fits while new tasks are refused.
 */
import { existsSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Reserve {
  /** Gives the kept room up. */
  release(): void;
  /** Whether submits are to be refused now, given whether they were; takes the room back once there is enough. */
  isFull(was: boolean): boolean;
}

/**
 * Takes the room if there is enough. On a disk that is full already what an earlier start took is given up at once:
 * the start itself needs some.
 * @param reserveBytes the size of the file; submits are refused while less than half of it is free beside it
 */
export function openReserve(directory: string, reserveBytes: number): Reserve {
  const file = join(directory, 'reserve.bin');
  const lowBytes = reserveBytes / 2;
  const free = () => {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  };
  const held = () => existsSync(file) && statSync(file).size === reserveBytes;
  const take = () => {
    try {
      writeFileSync(file, Buffer.alloc(reserveBytes));
    } catch (error) {
      rmSync(file, { force: true });
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  };
  if (!held() && free() > reserveBytes + 2 * lowBytes) take();
  const reserve: Reserve = {
    release: () => rmSync(file, { force: true }),
    isFull(was) {
      const room = free();
      if (!was) return room < lowBytes + (held() ? 0 : reserveBytes);
      if (room < 2 * lowBytes + (held() ? 0 : reserveBytes)) return true;
      if (!held()) take();
      return !held();
    },
  };
  if (reserve.isFull(false)) reserve.release();
  return reserve;
}
