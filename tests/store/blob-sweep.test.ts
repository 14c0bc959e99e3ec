/** The sweep over uploads that were given up. */
import { existsSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobStore } from '@rma/server/blobs/blob-store';
import { openSqliteStore } from '@rma/server/store/sqlite-store';
import { expect, it } from 'vitest';

it('removes old parts, leaves young ones, and continues where one vanishes meanwhile', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'rma-sweep-'));
  const store = openSqliteStore(join(directory, 'pool.db'), 'NORMAL');
  try {
    const blobs = new BlobStore(
      directory,
      store,
      () => Date.now(),
      () => false,
    );
    const part = (name: string) => join(directory, 'parts', name);
    // Listed by readdir, and gone before stat.
    symlinkSync(part('nowhere'), part('a.part'));
    writeFileSync(part('b.part'), 'old');
    utimesSync(part('b.part'), 1, 1);
    writeFileSync(part('c.part'), 'young');
    await blobs.sweep(3_600_000);
    expect([existsSync(part('b.part')), existsSync(part('c.part'))]).toEqual([false, true]);
  } finally {
    store.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
