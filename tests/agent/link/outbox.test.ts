import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '@rma/agent/log';
import { BlobFiles } from '@rma/agent/outbox/blob-files';
import { Outbox } from '@rma/agent/outbox/outbox';
import { encodeChunks, encodeFrame, encodeResults } from '@rma/peer/message-batch';
import { encodeDown } from '@rma/protocol/codec';
import { packPayload, unpackPayload } from '@rma/protocol/payload';
import type { AttemptResult } from '@rma/protocol/task';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256, taskId } from './support/coordinator.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rma-outbox-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function result(n: number, output: unknown = n): AttemptResult {
  return { task: taskId(n), attempt: 1, output: packPayload(output), runMs: 1 };
}

function acknowledgement(...numbers: number[]): Uint8Array {
  const results = numbers.map((n) => ({ task: taskId(n), attempt: 1 }));
  return encodeDown({ type: 'acknowledged', results }, 'rma.v1.msgpack') as Uint8Array;
}

/** Opens without closing, as a process does that was killed. */
function reopen(): Outbox {
  return new Outbox(directory, silentLog());
}

function tasks(outbox: Outbox): string[] {
  return outbox.restored.results.map(({ task }) => task);
}

const file = () => join(directory, 'outbox');

describe('the outbox', () => {
  it('gives back after a kill what was recorded and not acknowledged', () => {
    const outbox = reopen();
    outbox.record(encodeResults([result(1), result(2)]), 0);
    outbox.acknowledged(acknowledgement(1));
    outbox.record(encodeResults([result(3, { text: 'three' })]), 1);
    const after = reopen();
    expect(tasks(after)).toEqual([taskId(2), taskId(3)]);
    expect(unpackPayload(after.restored.results[1]?.output as Uint8Array)).toEqual({ text: 'three' });
  });

  it('keeps the chunks that belong to a result', () => {
    const chunk = { task: taskId(1), attempt: 1, chunk: 4, data: packPayload('part') };
    reopen().record([...encodeChunks([chunk]), ...encodeResults([result(1)])], 0);
    expect(reopen().restored.chunks).toMatchObject([{ chunk: 4 }]);
  });

  it('loses nothing but a torn last record', () => {
    const outbox = reopen();
    outbox.record(encodeResults([result(1)]), 0);
    const whole = readFileSync(file());
    outbox.record(encodeResults([result(2)]), 0);
    const torn = readFileSync(file());
    for (let length = whole.length + 1; length < torn.length; length += 7) {
      writeFileSync(file(), torn.subarray(0, length));
      expect(tasks(reopen())).toEqual([taskId(1)]);
    }
    expect(readdirSync(directory)).toEqual(['outbox']);
  });

  it('takes zeros at the end for a write that never came to be', () => {
    reopen().record(encodeResults([result(1)]), 0);
    appendFileSync(file(), Buffer.alloc(64));
    expect(tasks(reopen())).toEqual([taskId(1)]);
    expect(readdirSync(directory)).toEqual(['outbox']);
  });

  it('is moved aside when it is damaged, and keeps what stands before the damage', () => {
    const outbox = reopen();
    outbox.record(encodeResults([result(1)]), 0);
    const at = statSync(file()).size;
    outbox.record(encodeResults([result(2)]), 0);
    outbox.record(encodeResults([result(3)]), 0);
    const bytes = readFileSync(file());
    bytes[at + 20] = (bytes[at + 20] ?? 0) ^ 0xff;
    writeFileSync(file(), bytes);
    expect(tasks(reopen())).toEqual([taskId(1)]);
    expect(readdirSync(directory).filter((name) => name.startsWith('outbox.damaged-'))).toHaveLength(1);
    expect(tasks(reopen())).toEqual([taskId(1)]);
  });

  it('of something else altogether is moved aside', () => {
    writeFileSync(file(), 'this was never an outbox');
    expect(tasks(reopen())).toEqual([]);
    expect(readdirSync(directory).some((name) => name.startsWith('outbox.damaged-'))).toBe(true);
  });

  it('stays small however much passes through it', () => {
    const outbox = reopen();
    let live: AttemptResult[] = [];
    outbox.attach(() => encodeResults(live));
    let largest = 0;
    for (let n = 1; n <= 1_000; n += 1) {
      live = [result(n, 'x'.repeat(30_000))];
      outbox.record(encodeResults(live), n);
      outbox.acknowledged(acknowledgement(n));
      largest = Math.max(largest, statSync(file()).size);
    }
    expect(largest).toBeLessThan(9_000_000);
    expect(tasks(reopen())).toEqual([taskId(1_000)]);
  });

  it('keeps results in memory while the disk refuses them, and writes them once it can', () => {
    const live = [result(1)];
    // A directory in the place of the file that is written anew fails like a full disk, for root too.
    mkdirSync(`${file()}.new`);
    const outbox = reopen();
    outbox.attach(() => encodeResults(live));
    expect(outbox.durable).toBe(false);
    outbox.record(encodeResults(live), 0);
    outbox.tick(5_000);
    expect(outbox.durable).toBe(false);
    rmSync(`${file()}.new`, { recursive: true });
    outbox.tick(5_500);
    expect(outbox.durable).toBe(false);
    outbox.tick(6_100);
    expect(outbox.durable).toBe(true);
    expect(tasks(reopen())).toEqual([taskId(1)]);
  });
});

describe('frames', () => {
  it('stay below the limit of a frame, whatever the results', () => {
    const frames = encodeResults(Array.from({ length: 100 }, (_, n) => result(n, 'x'.repeat(60_000))));
    expect(frames.length).toBeGreaterThan(5);
    for (const frame of frames) expect(frame.length).toBeLessThan(1_048_576);
    expect(encodeResults(Array.from({ length: 2_500 }, (_, n) => result(n)))).toHaveLength(3);
    expect(encodeFrame({ type: 'heartbeat' }).length).toBeLessThan(30);
  });
});

describe('blob files', () => {
  const bytes = Buffer.from('some large output');
  const blob = sha256(bytes);

  it('live as long as a result names them', async () => {
    const files = new BlobFiles(directory, () => undefined);
    await files.store(blob, bytes);
    await files.store(blob, bytes);
    files.release(blob);
    expect(Buffer.from(files.source(blob)?.read(5, 100) ?? [])).toEqual(bytes.subarray(5));
    files.release(blob);
    expect(files.source(blob)).toBeUndefined();
    expect(readdirSync(join(directory, 'blobs'))).toEqual([]);
  });

  it('are cleared away at the start, but for those that the outbox names', async () => {
    const before = new BlobFiles(directory, () => undefined);
    await before.store(blob, bytes);
    await before.store(sha256(Buffer.from('x')), Buffer.from('x'));
    const after = new BlobFiles(directory, () => undefined);
    after.restore([blob]);
    expect(readdirSync(join(directory, 'blobs'))).toEqual([blob]);
  });

  it('stay in memory when the disk refuses them', async () => {
    const failures: unknown[] = [];
    const files = new BlobFiles(directory, (error) => failures.push(error));
    // A directory in the place of the first file fails like a full disk, for root too.
    const inTheWay = join(directory, 'blobs', `${blob}.1.part`);
    mkdirSync(join(inTheWay, 'x'), { recursive: true });
    await files.store(blob, bytes);
    expect(failures.length).toBeGreaterThan(0);
    expect(Buffer.from(files.source(blob)?.read(0, 100) ?? [])).toEqual(bytes);
    files.release(blob);
    expect(files.source(blob)).toBeUndefined();
  });
});
