/** Tasks of what runs in a container, over its HTTP port: our own task server, and one request a task. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { httpKindServer } from '@rma/agent/docker/http-kinds';
import type { KindServer } from '@rma/agent/docker/kind-server';
import { packPayload, unpackPayload } from '@rma/protocol/payload';
import type { ContainerSpec } from '@rma/protocol/workload';
import type { Outcome } from '@rma/workloads/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { spec } from './support/fixture.js';

type Answer = (request: IncomingMessage, body: Buffer, response: ServerResponse) => void;

let server: Server | undefined;

afterEach(async () => {
  const open = server;
  server = undefined;
  if (open === undefined) return;
  open.closeAllConnections();
  await new Promise((resolve) => open.close(resolve));
});

async function serving(container: Partial<ContainerSpec>, answer: Answer): Promise<KindServer> {
  const http = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    answer(request, Buffer.concat(pieces), response);
  });
  server = http;
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const kinds = httpKindServer(spec({ port: 80, kinds: ['a.kind'], slots: 1, ...container }));
  kinds.open(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  return kinds;
}

function run(kinds: KindServer, input: unknown, timeoutMs = 10_000) {
  const events: unknown[] = [];
  const execution = kinds.execute(
    { kind: 'a.kind', input, timeoutMs },
    { progress: (fraction, note) => events.push([fraction, note]), chunk: (value) => events.push(value) },
  );
  return { events, execution };
}

const frame = (value: unknown): Buffer => {
  const body = Buffer.from(packPayload(value));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
};
const errorOf = (outcome: Outcome) => (outcome.ok ? undefined : outcome.error);

describe('api rma', () => {
  it('posts the input as MessagePack and reads progress, chunks and output, however they are cut', async () => {
    const asked: unknown[] = [];
    const kinds = await serving({ api: 'rma' }, (request, body, response) => {
      asked.push(request.method, request.url, request.headers['content-type'], unpackPayload(body));
      const all = Buffer.concat([
        frame({ type: 'progress', fraction: 0.5, note: 'half' }),
        frame({ type: 'chunk', value: { n: 1 } }),
        frame({ type: 'output', output: { bytes: new Uint8Array([1, 2]) } }),
      ]);
      for (let at = 0; at < all.length; at += 3) response.write(all.subarray(at, at + 3));
      response.end();
    });
    const { events, execution } = run(kinds, { file: new Uint8Array([7]) });
    expect(await execution.done).toEqual({ ok: true, output: { bytes: Buffer.from([1, 2]) } });
    expect(events).toEqual([[0.5, 'half'], { n: 1 }]);
    expect(asked).toEqual(['POST', '/tasks/a.kind', 'application/msgpack', { file: Buffer.from([7]) }]);
  });

  it("passes the task server's error on as it is", async () => {
    const error = { code: 'input.damaged', message: 'not an image', retryable: false };
    const kinds = await serving({ api: 'rma' }, (_, __, response) => response.end(frame({ type: 'error', error })));
    expect(errorOf(await run(kinds, {}).execution.done)).toEqual(error);
  });

  it('closes the request when the task is cancelled, times out, or the container goes away', async () => {
    let open = 0;
    const kinds = await serving({ api: 'rma' }, (_, __, response) => {
      open += 1;
      response.on('close', () => {
        open -= 1;
      });
      response.write(frame({ type: 'progress', fraction: 0 }));
    });
    const first = run(kinds, {});
    await eventually(() => expect(open).toBe(1));
    first.execution.cancel();
    expect(errorOf(await first.execution.done)).toMatchObject({ code: 'cancelled' });
    expect(errorOf(await run(kinds, {}, 100).execution.done)).toMatchObject({ code: 'timeout' });
    const last = run(kinds, {});
    await eventually(() => expect(last.events.length).toBe(1));
    kinds.close();
    expect(errorOf(await last.execution.done)).toMatchObject({ code: 'service.lost', retryable: true });
    await eventually(() => expect(open).toBe(0));
    expect(errorOf(await run(kinds, {}).execution.done)).toMatchObject({ code: 'service.lost' });
  });

  it('fails, and may be tried again, where the answer ends without a result or is no frame', async () => {
    const short = await serving({ api: 'rma' }, (_, __, response) =>
      response.end(frame({ type: 'progress', fraction: 1 })),
    );
    expect(errorOf(await run(short, {}).execution.done)).toMatchObject({ code: 'service.lost', retryable: true });
  });
});

describe('api http', () => {
  const requests = { 'a.kind': { method: 'POST' as const, path: '/v1/do' } };

  it('sends the input as JSON and takes the JSON answer, bytes as base64 both ways', async () => {
    const kinds = await serving({ api: 'http', requests }, (request, body, response) => {
      response.end(JSON.stringify({ url: request.url, got: JSON.parse(String(body)) }));
    });
    const outcome = await run(kinds, { text: 'ä', file: new Uint8Array([1]) }).execution.done;
    expect(outcome).toMatchObject({ ok: true, output: { url: '/v1/do', got: { text: 'ä' } } });
  });

  it('turns the input of a GET into its query', async () => {
    const get = { 'a.kind': { method: 'GET' as const, path: '/search' } };
    const kinds = await serving({ api: 'http', requests: get }, (request, _, response) =>
      response.end(JSON.stringify(request.url)),
    );
    expect(await run(kinds, { q: 'a b', n: 2 }).execution.done).toEqual({ ok: true, output: '/search?q=a+b&n=2' });
  });

  it.each([
    [422, 'service.refused', false],
    [429, 'service.error', true],
    [503, 'service.error', true],
  ])('tells an answer of %i as %s', async (status, code, retryable) => {
    const kinds = await serving({ api: 'http', requests }, (_, __, response) => {
      response.statusCode = status;
      response.end('why\n');
    });
    const error = errorOf(await run(kinds, {}).execution.done);
    expect(error).toMatchObject({ code, retryable });
    expect(error?.message).toBe(`the container answered a.kind with ${status}: why`);
  });

  it('says so where the catalogue has no request for the kind', async () => {
    const kinds = await serving({ api: 'http', requests: {} }, (_, __, response) => response.end());
    expect(errorOf(await run(kinds, {}).execution.done)).toMatchObject({ code: 'kind.unmapped', retryable: false });
  });
});
