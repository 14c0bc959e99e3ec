// The conformance suite of the transport port, answers that are streamed: both adapters must pass it.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { RequestAborted } from '@rma/server/socket/transport';
import { expect, it } from 'vitest';
import { ask } from './http-request.js';
import { boot, cleanUpTransports, describeTransports, eventually } from './transport-harness.js';

describeTransports('a transport streams answers over HTTP', (factory) => {
  cleanUpTransports();

  it('streams what a handler writes as it writes it', async () => {
    let next: () => void = () => undefined;
    const pool = await boot(factory, {
      request: () => ({
        status: 200,
        headers: { 'content-type': 'text/event-stream' },
        body: async (stream) => {
          for (const word of ['one ', Buffer.from('two '), '', 'three']) {
            stream.write(word);
            await new Promise<void>((resolve) => {
              next = resolve;
            });
          }
        },
      }),
    });
    const call = request({ port: pool.port, host: '127.0.0.1', agent: false });
    call.end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    expect(response.headers['content-type']).toBe('text/event-stream');
    let text = '';
    response.on('data', (chunk) => {
      text += String(chunk);
    });
    for (const soFar of ['one ', 'one two ', 'one two ', 'one two three']) {
      await eventually(() => text).toBe(soFar);
      next();
    }
    await eventually(() => response.complete).toBe(true);
  });

  it('streams nothing at all as an empty body', async () => {
    const pool = await boot(factory, { request: () => ({ status: 200, body: async () => undefined }) });
    expect(await ask(pool.port)).toMatchObject({ status: 200, body: '', headers: { 'content-length': '0' } });
  });

  it('holds a stream back for a slow reader and loses nothing', async () => {
    const block = Buffer.alloc(256 * 1024, 'stream');
    const sent = createHash('sha256');
    let waits = 0;
    let written = 0;
    const pool = await boot(factory, {
      request: () => ({
        status: 200,
        body: async (stream) => {
          for (let i = 0; i < 100; i += 1) {
            sent.update(block);
            written += 1;
            if (!stream.write(block)) {
              waits += 1;
              await stream.drained();
            }
          }
        },
      }),
    });
    const call = request({ port: pool.port, host: '127.0.0.1', agent: false });
    call.end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    await eventually(() => waits).toBeGreaterThan(0);
    expect(written).toBeLessThan(100);
    const received = createHash('sha256');
    for await (const chunk of response) received.update(chunk as Buffer);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    expect(waits).toBeGreaterThan(1);
  });

  it('wakes a stream that waits when its peer goes away', async () => {
    let end: unknown;
    const pool = await boot(factory, {
      request: () => ({
        status: 200,
        body: async (stream, signal) => {
          try {
            for (;;) if (!stream.write(Buffer.alloc(64 * 1024))) await stream.drained();
          } catch (error) {
            end = [error, signal.aborted, stream.write('more')];
            stream.end();
            throw error;
          }
        },
      }),
    });
    const raw = await pool.raw();
    raw.pause();
    raw.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(raw, 'readable');
    raw.destroy();
    await eventually(() => end).toEqual([expect.any(RequestAborted), true, false]);
    expect(pool.errors).toEqual([]);
  });

  it('breaks the connection when a stream fails halfway, and answers 500 when it fails at once', async () => {
    const pool = await boot(factory, {
      request: ({ path }) => ({
        status: 200,
        body: async (stream) => {
          if (path === '/half') stream.write('half');
          throw new Error(`failed ${path}`);
        },
      }),
    });
    await expect(ask(pool.port, { path: '/half' })).rejects.toThrow(/aborted|hang up|reset/i);
    expect((await ask(pool.port, { path: '/start' })).status).toBe(500);
    expect(pool.errors).toMatchObject([{ message: 'failed /half' }, { message: 'failed /start' }]);
  });
});
