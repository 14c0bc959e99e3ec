/** The task server: real workloads and handlers behind real HTTP, with what its callers may get wrong. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { packPayload } from '@rma/protocol/payload';
import { createEmbeddedRuntime } from '@rma/workloads/host/embedded-runtime';
import { type Frame, FrameReader } from '@rma/workloads/task-server/frames';
import { TaskServer } from '@rma/workloads/task-server/task-server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { assertNoHandlerProcessLeft, fixture, sample } from '../host/runtime-harness.js';

const MAX_BODY_BYTES = 200_000;

let server: TaskServer;
let base: string;

async function serve(workloads: readonly string[], slots = 1): Promise<void> {
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  server = new TaskServer({
    runtime: createEmbeddedRuntime({ workloads, handlersFile: fixture('handlers.mjs'), slots, log }),
    maxBodyBytes: MAX_BODY_BYTES,
    defaultTimeoutMs: () => 20_000,
    log,
  });
  base = `http://127.0.0.1:${await server.start('127.0.0.1', 0)}`;
}

async function untilHealthy(): Promise<void> {
  await vi.waitFor(async () => expect((await fetch(`${base}/health`)).status).toBe(200), { timeout: 20_000 });
}

const post = (kind: string, input: unknown, init: RequestInit = {}) =>
  fetch(`${base}/tasks/${kind}`, {
    method: 'POST',
    body: new Uint8Array(packPayload(input)),
    ...init,
    headers: { 'content-type': 'application/msgpack', ...init.headers },
  });

async function framesOf(response: Response): Promise<Frame[]> {
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/vnd.rma.task-frames');
  const reader = new FrameReader();
  const frames: Frame[] = [];
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) frames.push(...reader.push(part));
  return frames;
}

const run = async (kind: string, input: unknown, init?: RequestInit) => framesOf(await post(kind, input, init));

async function refusal(response: Response): Promise<{ status: number; message: string }> {
  const { error } = (await response.json()) as { error: { message: string } };
  return { status: response.status, message: error.message };
}

async function running(service: string): Promise<number | undefined> {
  const { services } = (await (await fetch(`${base}/health`)).json()) as {
    services: { name: string; running: number }[];
  };
  return services.find(({ name }) => name === service)?.running;
}

afterEach(async () => {
  await server.stop(0);
  await assertNoHandlerProcessLeft();
});

describe('a task', () => {
  beforeEach(async () => {
    await serve(['echo']);
    await untilHealthy();
  });

  it('streams its progress and chunks, and ends with its output', async () => {
    const frames = await run('test.stream', {});
    expect(frames.filter(({ type }) => type === 'chunk')).toEqual(
      [1, 2, 3, 4, 5].map((n) => ({ type: 'chunk', value: { n } })),
    );
    expect(frames).toContainEqual({ type: 'progress', fraction: 0.2, note: 'part 1' });
    expect(frames.at(-1)).toEqual({ type: 'output', output: 'streamed' });
  });

  it('takes and gives bytes, in MessagePack and as $bytes in JSON', async () => {
    const file = new Uint8Array([1, 2, 3]);
    const output = { type: 'output', output: { length: 3, file: expect.anything() } };
    expect(await run('test.bytes', { file })).toEqual([output]);
    const [json] = await run('test.bytes', null, {
      body: JSON.stringify({ file: { $bytes: 'AQID' } }),
      headers: { 'content-type': 'application/json; charset=utf-8' },
    });
    expect(json).toMatchObject(output);
    expect([...(json as unknown as { output: { file: Uint8Array } }).output.file]).toEqual([3, 2, 1]);
  });

  it('that fails ends with its code, message and whether another attempt may help', async () => {
    const error = { code: 'shop.closed', message: 'the shop is closed on Sundays', retryable: false };
    expect(await run('test.refuse', {})).toEqual([{ type: 'error', error }]);
    expect(await run('test.throw', {})).toMatchObject([{ type: 'error', error: { code: 'handler.error' } }]);
  });

  it('ends at the time that its caller sets', async () => {
    const frames = await run('test.deaf', {}, { headers: { 'rma-timeout-ms': '300' } });
    expect(frames).toMatchObject([{ type: 'error', error: { code: 'timeout', retryable: true } }]);
  });

  it('is cancelled when its caller hangs up, and gives its slot back', async () => {
    const abort = new AbortController();
    const response = await post('test.deaf', {}, { signal: abort.signal });
    expect(response.status).toBe(200);
    expect(await running('handlers')).toBe(1);
    abort.abort();
    await eventually(async () => expect(await running('handlers')).toBe(0), 10_000);
    expect(await run('test.add', { a: 1, b: 2 })).toEqual([{ type: 'output', output: 3 }]);
  });

  it('beyond the slots is refused at once with 429, and no other service is', async () => {
    const abort = new AbortController();
    await post('test.polite', {}, { signal: abort.signal });
    const second = await post('test.add', { a: 1, b: 2 });
    expect(second.headers.get('retry-after')).toBe('1');
    expect(await refusal(second)).toEqual({ status: 429, message: expect.stringContaining('handlers runs 1 tasks') });
    expect(await run('echo', 'still here')).toEqual([{ type: 'output', output: 'still here' }]);
    abort.abort();
  });

  it.each([
    ['of an unknown kind', 'no.such', {}, 404, /does not serve no.such; it serves echo, .*test.add/],
    ['with a body of another type', 'echo', { headers: { 'content-type': 'text/plain' } }, 415, /application\/msgpack/],
    ['with broken MessagePack', 'echo', { body: new Uint8Array([0xc1]) }, 400, /not the MessagePack of one value/],
    ['with more than one value', 'echo', { body: new Uint8Array([1, 2]) }, 400, /bytes follow the value/],
    [
      'with broken JSON',
      'echo',
      { body: '{', headers: { 'content-type': 'application/json' } },
      400,
      /not the JSON of one value/,
    ],
    ['with too large a body', 'echo', { body: new Uint8Array(MAX_BODY_BYTES + 1) }, 413, /limit of 200000 bytes/],
    ['with a time that is none', 'echo', { headers: { 'rma-timeout-ms': 'soon' } }, 400, /rma-timeout-ms/],
    ['by GET', 'echo', { method: 'GET', body: null }, 405, /POST/],
  ])('%s is refused with its reason', async (_, kind, init, status, message) => {
    expect(await refusal(await post(kind, null, init as RequestInit))).toEqual({
      status,
      message: expect.stringMatching(message),
    });
  });

  it('whose caller goes away within the body leaves nothing', async () => {
    const socket = connect(Number(new URL(base).port), '127.0.0.1');
    socket.write(
      'POST /tasks/test.add HTTP/1.1\r\nHost: x\r\nContent-Type: application/msgpack\r\nContent-Length: 99\r\n\r\nab',
    );
    await eventually(async () => expect(await running('handlers')).toBe(1));
    socket.destroy();
    await eventually(async () => expect(await running('handlers')).toBe(0));
  });
});

it('reads a scanned letter and answers for several workloads', { timeout: 60_000 }, async () => {
  await serve(['ocr', 'ner']);
  await untilHealthy();
  const frames = await run(
    'ocr.read',
    { file: new Uint8Array(readFileSync(sample('letter.png'))) },
    { method: 'POST' },
  );
  expect(frames.at(-1)).toMatchObject({
    type: 'output',
    output: { text: expect.stringContaining('Harbour & Finch Solicitors LLP') },
  });
  const last = (await run('ner.extract', { text: 'Dr Amara Okafor lives in Leeds.' })).at(-1);
  expect(JSON.stringify(last)).toContain('Okafor');
});

it('is unhealthy, with the reason, until every service works', async () => {
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  server = new TaskServer({
    runtime: createEmbeddedRuntime({ workloads: ['echo'], handlersFile: fixture('broken-throws.mjs'), log }),
    maxBodyBytes: MAX_BODY_BYTES,
    defaultTimeoutMs: () => 1_000,
    log,
  });
  base = `http://127.0.0.1:${await server.start('127.0.0.1', 0)}`;
  await vi.waitFor(
    async () => {
      const response = await fetch(`${base}/health`);
      expect(response.status).toBe(503);
      const { services } = (await response.json()) as { services: unknown[] };
      expect(services).toContainEqual(expect.objectContaining({ name: 'handlers', state: 'unhealthy' }));
      expect(services).toContainEqual(expect.objectContaining({ name: 'echo', state: 'healthy' }));
      expect(JSON.stringify(services)).toContain('Cannot read properties of undefined');
    },
    { timeout: 10_000 },
  );
});

it('lets a running task finish when it stops, and cancels it when the grace is over', async () => {
  await serve(['echo']);
  await untilHealthy();
  const finishing = post('echo', { delayMs: 400 });
  await eventually(async () => expect(await running('echo')).toBe(1));
  const stopped = server.stop(10_000);
  expect((await framesOf(await finishing)).at(-1)).toEqual({ type: 'output', output: { delayMs: 400 } });
  await stopped;
  await expect(fetch(`${base}/health`)).rejects.toThrow();

  await serve(['echo']);
  await untilHealthy();
  const cut = await post('test.deaf', {});
  await server.stop(100);
  expect(await framesOf(cut)).toMatchObject([{ type: 'error', error: { code: 'cancelled', retryable: true } }]);
});
