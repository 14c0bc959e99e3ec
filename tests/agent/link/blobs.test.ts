import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packPayload, unpackPayload } from '@rma/protocol/payload';
import { describe, expect, it } from 'vitest';
import { sha256, type TestSession, taskId } from './support/coordinator.js';
import { HeldRuntime, useFixture } from './support/fixture.js';

const fixture = useFixture();
const PICTURE = randomBytes(300_000);
const BLOB = sha256(PICTURE);

function dispatchPicture(session: TestSession, n = 1): void {
  const input = packPayload({ image: { $blob: BLOB, size: PICTURE.length, as: 'bytes' }, note: { $blob: 'not one' } });
  session.dispatch({ task: taskId(n), input, blobs: [BLOB] });
}

/** Answers one download: from the offset asked for, at most so many bytes. */
function serve(
  session: TestSession,
  get: { stream: number; offset: number; credit: number },
  atMost = Number.POSITIVE_INFINITY,
) {
  session.send({ type: 'blob.head', stream: get.stream, size: PICTURE.length });
  const end = Math.min(PICTURE.length, get.offset + atMost);
  for (let at = get.offset; at < end; at += 16_384)
    session.sendData(get.stream, PICTURE.subarray(at, Math.min(end, at + 16_384)));
  if (end === PICTURE.length) session.send({ type: 'stream.end', stream: get.stream });
}

describe('an input with a blob', () => {
  it('is fetched, goes on where it was after a reconnect, and is whole for the handler', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    await fixture.agent({ runtimes: [runtime] }).start();
    const first = await coordinator.welcomed();
    dispatchPicture(first);
    const [get] = await coordinator.until('a request', () => first.of('blob.get').length > 0 && first.of('blob.get'));
    expect(get).toMatchObject({ blob: BLOB, offset: 0, attempt: { task: taskId(1), attempt: 1 } });
    serve(first, { stream: 1, offset: 0, credit: 0 }, 150_000);
    await coordinator.until('credit', () => first.of('stream.credit').length > 0);
    expect(first.of('blob.get')).toHaveLength(1);
    first.socket.terminate();

    const second = await coordinator.welcomed(2);
    expect(second.hello.worker?.running).toMatchObject([{ task: taskId(1), attempt: 1 }]);
    const [again] = await coordinator.until(
      'a request',
      () => second.of('blob.get').length > 0 && second.of('blob.get'),
    );
    expect(again?.offset).toBeGreaterThanOrEqual(131_072);
    serve(second, again as { stream: number; offset: number; credit: number });
    const held = await coordinator.until('the task', () => runtime.held[0]);
    const input = held.job.input as { image: Uint8Array; note: unknown };
    expect(sha256(input.image)).toBe(BLOB);
    expect(input.note).toEqual({ $blob: 'not one' });

    // The next task with the same input finds it here.
    dispatchPicture(second, 2);
    await coordinator.until('the second task', () => runtime.held.length === 2);
    expect(second.of('blob.get')).toHaveLength(1);
  });

  it('that is gone fails the task with a reason', async () => {
    const { coordinator } = fixture;
    await fixture.agent({ runtimes: [new HeldRuntime()] }).start();
    const session = await coordinator.welcomed();
    coordinator.onMessage = (_, message) => {
      if (message.type !== 'blob.get') return;
      session.send({
        type: 'stream.abort',
        stream: message.stream,
        error: { kind: 'not_found', message: 'no such blob' },
      });
    };
    dispatchPicture(session);
    const result = await coordinator.until('a result', () => session.results[0]);
    expect(result.error).toMatchObject({ code: 'input.not_found', message: expect.stringContaining('no such blob') });
  });

  it('is not fetched any more once the task is stopped', async () => {
    const { coordinator } = fixture;
    await fixture.agent({ runtimes: [new HeldRuntime()] }).start();
    const session = await coordinator.welcomed();
    dispatchPicture(session);
    await coordinator.until('a request', () => session.of('blob.get').length > 0);
    session.send({ type: 'stop', attempts: [{ task: taskId(1), attempt: 1, reason: 'cancelled' }] });
    await coordinator.until('the abort', () => session.of('stream.abort').length > 0);
    expect((await coordinator.until('a result', () => session.results[0])).error).toMatchObject({ code: 'cancelled' });
  });
});

describe('an output with large parts', () => {
  it('is uploaded before its result is told, goes on after a reconnect, and leaves nothing behind', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    runtime.reply = () => ({ ok: true, output: { pages: 1, image: new Uint8Array(PICTURE) } });
    const agent = fixture.agent({ runtimes: [runtime] });
    await agent.start();
    const first = await coordinator.welcomed();
    first.dispatch({});
    const [put] = await coordinator.until('an upload', () => first.of('blob.put').length > 0 && first.of('blob.put'));
    expect(put).toMatchObject({ blob: BLOB, size: PICTURE.length, attempt: { task: taskId(1), attempt: 1 } });
    first.send({ type: 'blob.ready', stream: 1, offset: 0, credit: 100_000 });
    await coordinator.until('100,000 bytes', () => first.bytes(1).length === 100_000);
    expect(first.results).toEqual([]);
    first.socket.terminate();

    const second = await coordinator.welcomed(2);
    expect(second.hello.worker?.finished).toEqual([{ task: taskId(1), attempt: 1 }]);
    await coordinator.until('an upload', () => second.of('blob.put').length > 0);
    second.send({ type: 'blob.ready', stream: 1, offset: 100_000, credit: 1_000_000 });
    await coordinator.until('the end', () => second.of('stream.end').length > 0);
    expect(sha256(Buffer.concat([first.bytes(1), second.bytes(1)]))).toBe(BLOB);
    expect(second.results).toEqual([]);
    second.send({ type: 'blob.stored', stream: 1, blob: BLOB });
    const result = await coordinator.until('a result', () => second.results[0]);
    expect(result.blobs).toEqual([BLOB]);
    expect(unpackPayload(result.output as Uint8Array)).toEqual({
      pages: 1,
      image: { $blob: BLOB, size: PICTURE.length, as: 'bytes' },
    });
    const files = join(fixture.directory, 'state', 'blobs');
    expect(readdirSync(files)).toEqual([BLOB]);
    second.acknowledge(result);
    await coordinator.until('nothing left', () => agent.unacknowledged === 0 && readdirSync(files).length === 0);
  });

  it('survives a restart of the agent', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    const text = 'long text '.repeat(20_000);
    runtime.reply = () => ({ ok: true, output: { text } });
    const agent = fixture.agent({ runtimes: [runtime] });
    await agent.start();
    const first = await coordinator.welcomed();
    first.dispatch({});
    await coordinator.until('an upload', () => first.of('blob.put').length > 0);
    await agent.stop();

    await fixture.agent({ runtimes: [new HeldRuntime()] }).start();
    const second = await coordinator.welcomed(2);
    expect(second.hello.worker?.finished).toEqual([{ task: taskId(1), attempt: 1 }]);
    const [put] = await coordinator.until('an upload', () => second.of('blob.put').length > 0 && second.of('blob.put'));
    second.send({ type: 'blob.ready', stream: 1, offset: 0, credit: 1_000_000 });
    await coordinator.until('the end', () => second.of('stream.end').length > 0);
    expect(unpackPayload(second.bytes(1))).toEqual({ text });
    second.send({ type: 'blob.stored', stream: 1, blob: put?.blob ?? '' });
    const result = await coordinator.until('a result', () => second.results[0]);
    expect(unpackPayload(result.output as Uint8Array)).toMatchObject({ $blob: put?.blob, as: 'msgpack' });
  });

  it('that is not taken fails the task', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    runtime.reply = () => ({ ok: true, output: new Uint8Array(PICTURE) });
    await fixture.agent({ runtimes: [runtime] }).start();
    const session = await coordinator.welcomed();
    coordinator.onMessage = (_, message) => {
      if (message.type !== 'blob.put') return;
      session.send({
        type: 'stream.abort',
        stream: message.stream,
        error: { kind: 'too_large', message: 'the store is small' },
      });
    };
    session.dispatch({});
    const result = await coordinator.until('a result', () => session.results[0]);
    expect(result.error).toMatchObject({
      code: 'output.too_large',
      message: expect.stringContaining('the store is small'),
    });
  });
});
