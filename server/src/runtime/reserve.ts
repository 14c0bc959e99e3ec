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

/** A reserve on a disk. */
export interface DiskReserve extends Reserve {
  /** Bytes that may still be written before submits must be refused; 0 or below: none. */
  room(): number;
}

/**
 * Reserves if there is enough room. On a disk that is already full an earlier start's reserve is freed at once: the start
 * itself has to write.
 * @param reserveBytes the size of the file; submits are refused while less than half of it is free beside it
 */
export function openReserve(directory: string, reserveBytes: number): DiskReserve {
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
  const room = () => free() - lowBytes - (held() ? 0 : reserveBytes);
  const reserve: DiskReserve = {
    room,
    release: () => rmSync(file, { force: true }),
    isFull(was) {
      const left = room();
      if (!was) return left < 0;
      if (left < lowBytes) return true;
      if (!held()) take();
      return !held();
    },
  };
  if (reserve.isFull(false)) reserve.release();
  return reserve;
}
