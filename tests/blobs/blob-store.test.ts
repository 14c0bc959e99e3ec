/** Blobs on disk: how long they are kept, what a crash leaves, and how much one uploader may hold. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BlobStore, type BlobStoreOptions, type UploadScope, uploaderOf } from '@rma/server/blobs/blob-store';
import { DEFAULT_BLOB_QUOTAS } from '@rma/server/blobs/quota';
import { openSqliteStore, type SqliteStore } from '@rma/server/store/sqlite-store';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { makeTask, NOW, persistOf, testDirectory } from '../store/records.js';

const HOUR = 3_600_000;
const MIB = 1_048_576;
const ALICE: UploadScope = { owner: 'alice', uploader: uploaderOf('subject', 'alice'), attempt: '' };
const WORKER: UploadScope = { owner: 'alice', uploader: uploaderOf('worker', 'w-1'), attempt: 't-1#1' };

let directory: string;
let store: SqliteStore;
let wallMs: number;
let room: number;
beforeEach(() => {
  directory = testDirectory();
  store = openSqliteStore(join(directory, 'pool.db'), 'NORMAL');
  onTestFinished(() => store.close());
  wallMs = NOW;
  room = 100 * 1_024 * MIB;
});

function open(more: Partial<BlobStoreOptions> = {}): BlobStore {
  const options = { directory, records: store.blobs, wallMs: () => wallMs, room: () => room, full: () => false };
  const blobs = new BlobStore({ ...options, ...more });
  onTestFinished(() => blobs.close());
  return blobs;
}

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const fileOf = (blob: string) => join(directory, blob.slice(0, 2), blob);
const parts = () => readdirSync(join(directory, 'parts'));

async function put(blobs: BlobStore, scope: UploadScope, bytes: Uint8Array = randomBytes(100)): Promise<string> {
  const blob = hashOf(bytes);
  if (await blobs.hold(scope, blob)) return blob;
  const upload = await blobs.upload(scope, blob, bytes.length);
  await upload.write(bytes.subarray(upload.offset));
  await upload.end();
  return blob;
}

/** Begins an upload and gives it up after the first bytes. */
async function putPart(blobs: BlobStore, scope: UploadScope, size: number, came: number): Promise<void> {
  const upload = await blobs.upload(scope, hashOf(randomBytes(8)), size);
  await upload.write(new Uint8Array(came));
  await upload.abandon();
}

/** Slices until nothing is left; answers how many. */
async function all(slice: () => Promise<boolean>): Promise<number> {
  for (let slices = 1; ; slices++) if (!(await slice())) return slices;
}
const sweep = (blobs: BlobStore) => all(() => blobs.sweep(HOUR));

/** A task that names them, as a commit of the core does; `unname` prunes it. */
function name(seq: number, ...named: string[]): void {
  const blobRefs = named.map((blob) => ({ owner: 'alice', blob, seq }));
  store.commit(persistOf({ tasks: new Set([makeTask(seq, { state: 'failed', endedAt: NOW - 1 })]), blobRefs }), NOW);
}
function unname(): void {
  store.settle();
  while (store.prune({ endedBefore: NOW, eventsBefore: 0, maxEvents: 1e9, rows: 1_000, bytes: 1e9 }));
}

describe('a blob that no task names', () => {
  it('is kept for an hour from when it was put last, whether it had to be uploaded or not', async () => {
    const blobs = open();
    const blob = await put(blobs, ALICE);
    wallMs += HOUR - 1_000;
    await put(blobs, ALICE, await contentOf(blob));
    wallMs += HOUR - 1_000;
    await sweep(blobs);
    expect(await blobs.find('alice', blob)).toEqual({ size: 100 });
    wallMs += 62_000;
    await sweep(blobs);
    expect([await blobs.find('alice', blob), existsSync(fileOf(blob))]).toEqual([undefined, false]);
  });

  async function contentOf(blob: string): Promise<Buffer> {
    const file = await open().open(blob);
    const bytes = await file.readFile();
    await file.close();
    return bytes;
  }

  it('is kept while its uploader goes on with others, however long the last one takes', async () => {
    const blobs = open();
    const first = await put(blobs, WORKER);
    const bytes = randomBytes(100);
    const upload = await blobs.upload(WORKER, hashOf(bytes), 100);
    for (let at = 0; at < 100; at += 10) {
      wallMs += HOUR / 4;
      await upload.write(bytes.subarray(at, at + 10));
      await sweep(blobs);
    }
    await upload.end();
    expect(await blobs.find('alice', first)).toBeDefined();
  });

  it('goes with many others, a bounded number of files and rows a slice', async () => {
    const blobs = open();
    for (let i = 0; i < 600; i++)
      store.blobs.addBlob({ ...ALICE, blob: hashOf(Buffer.from([i, i >> 8])), size: 1 }, NOW);
    wallMs += 2 * HOUR;
    expect(await sweep(blobs)).toBe(3);
    expect(store.blobs.unnamedOf(ALICE.uploader, 1_000)).toEqual({ blobs: 0, bytes: 0 });
  });

  it('keeps its file while it is somebody else’s, too', async () => {
    const blobs = open();
    const bytes = randomBytes(100);
    const blob = await put(blobs, ALICE, bytes);
    wallMs += HOUR / 2;
    await put(blobs, { ...ALICE, owner: 'bob', uploader: uploaderOf('subject', 'bob') }, bytes);
    wallMs += HOUR / 2 + 62_000;
    await sweep(blobs);
    expect([await blobs.find('alice', blob), await blobs.find('bob', blob)]).toEqual([undefined, { size: 100 }]);
    expect(existsSync(fileOf(blob))).toBe(true);
  });
});

it('a blob is kept as long as a task names it, and goes soon after the last one', async () => {
  const blobs = open();
  const blob = await put(blobs, ALICE);
  name(1, blob);
  name(2, blob);
  wallMs += 2 * HOUR;
  await sweep(blobs);
  expect(await blobs.find('alice', blob)).toBeDefined();
  unname();
  await sweep(blobs);
  expect(await blobs.find('alice', blob)).toBeUndefined();
});

describe('partial uploads', () => {
  it('are removed after an hour without progress, also those that a start found; others go on where they were', async () => {
    const bytes = randomBytes(100);
    const before = open();
    const upload = await before.upload(ALICE, hashOf(bytes), 100);
    await upload.write(bytes.subarray(0, 60));
    await upload.abandon();
    const part = (file: string) => join(directory, 'parts', file);
    // Listed by readdir, and gone before stat.
    symlinkSync(part('nowhere'), part('a.part'));
    writeFileSync(part('b.part'), 'old');
    utimesSync(part('b.part'), 1, 1);
    wallMs = Date.now();
    const blobs = open();
    await all(() => blobs.checkFiles());
    expect(existsSync(part('b.part'))).toBe(false);
    const again = await blobs.upload(ALICE, hashOf(bytes), 100);
    expect(again.offset).toBe(60);
    wallMs += 2 * HOUR;
    await sweep(blobs);
    await again.abandon();
    wallMs += 2 * HOUR;
    await sweep(blobs);
    expect(parts().filter((file) => file.endsWith('.part') && file !== 'a.part')).toEqual([]);
  });

  it('count against the quota of who left them, also after a restart', async () => {
    const quotas = { ...DEFAULT_BLOB_QUOTAS, blobs: 5 };
    const blobs = open({ quotas });
    wallMs = Date.now();
    for (let i = 0; i < 5; i++) await putPart(blobs, WORKER, 1_000, 10);
    await expect(put(blobs, WORKER)).rejects.toMatchObject({ kind: 'rate_limited' });
    const next = open({ quotas });
    await all(() => next.checkFiles());
    await expect(put(next, WORKER)).rejects.toMatchObject({ kind: 'rate_limited' });
    await put(next, { ...WORKER, uploader: uploaderOf('worker', 'w-2') });
    wallMs += 2 * HOUR;
    await sweep(next);
    await put(next, WORKER);
  });
});

describe('what a crash leaves', () => {
  it('a file without a row, between the two of an upload or of a sweep, is removed after the next start', async () => {
    const blobs = open();
    const kept = await put(blobs, ALICE);
    const orphans = Array.from({ length: 600 }, (_, i) => hashOf(Buffer.from(`orphan ${i}`)));
    for (const blob of orphans) {
      mkdirSync(join(directory, blob.slice(0, 2)), { recursive: true });
      writeFileSync(fileOf(blob), 'x');
    }
    writeFileSync(join(directory, 'parts', `${kept}.gone`), 'half deleted');
    const next = open();
    expect(await all(() => next.checkFiles())).toBeGreaterThanOrEqual(3);
    expect(orphans.filter((blob) => existsSync(fileOf(blob)))).toEqual([]);
    expect([existsSync(fileOf(kept)), parts()]).toEqual([true, []]);
  });

  it('the check leaves what is uploaded meanwhile', async () => {
    const blobs = open();
    const uploads = Array.from({ length: 50 }, () => put(blobs, ALICE));
    const checked = all(() => blobs.checkFiles());
    const stored = await Promise.all(uploads);
    await checked;
    expect(stored.filter((blob) => !existsSync(fileOf(blob)))).toEqual([]);
  });
});

describe('quotas', () => {
  const few = (more: object) => open({ quotas: { ...DEFAULT_BLOB_QUOTAS, ...more } });

  it('an uploader holds so many blobs that no task names; named ones do not count, nor those of others', async () => {
    const blobs = few({ blobs: 3 });
    const held = [await put(blobs, ALICE), await put(blobs, ALICE), await put(blobs, ALICE)];
    await expect(put(blobs, ALICE)).rejects.toMatchObject({ kind: 'rate_limited' });
    await put(blobs, WORKER);
    name(1, ...held);
    store.settle();
    await put(blobs, ALICE);
  });

  it('those whose task was pruned count no more: they are about to go', async () => {
    const blobs = few({ blobs: 3 });
    name(1, ...[await put(blobs, ALICE), await put(blobs, ALICE), await put(blobs, ALICE)]);
    unname();
    await put(blobs, ALICE);
  });

  it('an uploader holds so many bytes, with what is announced and under way', async () => {
    const blobs = few({ bytes: 2_000 });
    await put(blobs, ALICE, randomBytes(900));
    const upload = await blobs.upload(ALICE, hashOf(randomBytes(1)), 1_000);
    await expect(put(blobs, ALICE, randomBytes(200))).rejects.toMatchObject({ kind: 'rate_limited' });
    await upload.abandon();
    await put(blobs, ALICE, randomBytes(200));
  });

  it('many that are asked for at once count each other', async () => {
    const blobs = few({ blobs: 10 });
    const asked = await Promise.allSettled(Array.from({ length: 30 }, () => put(blobs, ALICE)));
    expect(asked.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(10);
  });

  it('an attempt has as many as its result may name: another one would be useless, and fails for good', async () => {
    const blobs = few({ blobsPerAttempt: 3 });
    for (let i = 0; i < 3; i++) await put(blobs, WORKER);
    await expect(put(blobs, WORKER)).rejects.toMatchObject({ kind: 'too_large' });
    await put(blobs, { ...WORKER, attempt: 't-2#1' });
  });

  it('no upload gets into what is reserved for results: all that are under way fit beside it', async () => {
    const blobs = open();
    room = 200 * MIB;
    const under = [];
    for (const name of ['a', 'b', 'c', 'd']) {
      const scope = { owner: name, uploader: uploaderOf('worker', name), attempt: `${name}#1` };
      under.push(await blobs.upload(scope, hashOf(randomBytes(8)), 50 * MIB));
    }
    await expect(put(blobs, ALICE)).rejects.toMatchObject({ kind: 'storage_full' });
    await under[0]!.abandon();
    await put(blobs, ALICE);
    for (const upload of under) await upload.abandon();
  });

  it('none begins or goes on while the disk is full', async () => {
    let isFull = false;
    const blobs = open({ full: () => isFull });
    const upload = await blobs.upload(ALICE, hashOf(randomBytes(1)), 100);
    isFull = true;
    await expect(upload.write(new Uint8Array(10))).rejects.toMatchObject({ kind: 'storage_full' });
    await expect(blobs.upload(WORKER, hashOf(randomBytes(8)), 1)).rejects.toMatchObject({ kind: 'storage_full' });
    await upload.abandon();
  });

  it('one uploader leaves half of the room to others', async () => {
    const blobs = open();
    room = 300 * MIB;
    const under = [];
    for (let i = 0; i < 3; i++) under.push(await blobs.upload(WORKER, hashOf(randomBytes(8)), 50 * MIB));
    await expect(put(blobs, WORKER)).rejects.toMatchObject({ kind: 'rate_limited' });
    await put(blobs, ALICE);
    for (const upload of under) await upload.abandon();
  });
});
