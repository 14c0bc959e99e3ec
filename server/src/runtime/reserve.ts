/**
 * A reserve of disk space for results: a file of written blocks, deleted when the disk is full, so that what workers
 * finish still fits while new tasks are refused.
 */
import { existsSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrorCode } from '@rma/protocol/error';

export interface Reserve {
  /** Frees the reserved space. */
  release(): void;
  /** Whether submits must be refused, with hysteresis: given whether they were. Reserves again once there is enough room. */
  isFull(was: boolean): boolean;
}

/**
 * Reserves if there is enough room. On a disk that is already full an earlier start's reserve is freed at once: the start
 * itself has to write.
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
      if (!hasErrorCode(error, 'ENOSPC')) throw error;
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
