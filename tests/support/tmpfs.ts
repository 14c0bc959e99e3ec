/** A small file system of its own, to fill to the brim. Needs `needs('tmpfs')`. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PAGE_BYTES = 4_096;

export class Tmpfs {
  readonly dir: string;
  readonly #filler: string;

  constructor(sizeMiB: number) {
    this.dir = mkdtempSync(join(tmpdir(), 'rma-tmpfs-'));
    this.#filler = join(this.dir, 'filler.bin');
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', this.dir]);
  }

  /** Takes every page that is free now. */
  fill(): void {
    const file = openSync(this.#filler, 'a');
    try {
      for (const bytes of [Buffer.alloc(1_048_576), Buffer.alloc(PAGE_BYTES)]) {
        while (wrote(file, bytes));
      }
    } finally {
      closeSync(file);
    }
  }

  /** Gives back what `fill` took. */
  empty(): void {
    rmSync(this.#filler, { force: true });
  }

  unmount(): void {
    execFileSync('umount', ['-l', this.dir]);
    rmdirSync(this.dir);
  }
}

function wrote(file: number, bytes: Buffer): boolean {
  try {
    return writeSync(file, bytes) > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}
