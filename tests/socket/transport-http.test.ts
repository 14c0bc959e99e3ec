import { once } from 'node:events';
import { request } from 'node:http';
import { BodyTooLarge, type HttpResponse, RequestAborted } from '@rma/server/socket/transport';
import { expect, it } from 'vitest';
import { answerTo, ask } from './http-request.js';
import { boot, cleanUpTransports, describeTransports, eventually, readAll } from './transport-harness.js';

const echo = async (incoming: { body(): Promise<Uint8Array> }): Promise<HttpResponse> => ({
  status: 200,
  body: await incoming.body(),
});

describeTransports('a transport serves HTTP', (factory) => {
  cleanUpTransports();

  it('hands over the head of a request and sends status, headers and body back', async () => {
    const pool = await boot(factory, {
      request: () => ({
        status: 418,
        headers: { 'X-Pot': 'tea', 'set-cookie': ['a=1', 'b=2'] },
        body: 'short and stout, ½ l',
      }),
    });
    const answer = await ask(pool.port, {
      method: 'PATCH',
      path: '/pots/%C3%BC?size=1&size=2',
      headers: { 'X-A': 'b' },
    });
    expect(answer.status).toBe(418);
    expect(answer.headers).toMatchObject({ 'x-pot': 'tea', 'set-cookie': ['a=1', 'b=2'], 'content-length': '21' });
    expect(answer.body).toBe('short and stout, ½ l');
    expect(pool.heads[0]).toMatchObject({
      method: 'PATCH',
      path: '/pots/%C3%BC',
      query: 'size=1&size=2',
      remoteAddress: '127.0.0.1',
    });
    expect(pool.heads[0]?.headers.get('x-a')).toBe('b');
  });

  it('does not name its server software', async () => {
    const pool = await boot(factory);
    const { headers } = await ask(pool.port);
    expect(Object.keys(headers).filter((name) => /server|powered|websockets/i.test(name))).toEqual([]);
  });

  it('joins a repeated header', async () => {
    const pool = await boot(factory);
    const raw = await pool.raw();
    raw.write(
      'GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nCookie: c=1\r\nCookie: d=2\r\nAuthorization: x\r\nAuthorization: y\r\n\r\n',
    );
    await eventually(() => pool.heads.length).toBe(1);
    expect(pool.heads[0]?.headers.get('x-a')).toBe('1, 2');
    expect(pool.heads[0]?.headers.get('cookie')).toBe('c=1; d=2');
    expect(pool.heads[0]?.headers.get('authorization')).toBe('x, y');
  });

  it('sends no body to HEAD, but the length', async () => {
    const pool = await boot(factory, {
      request: ({ path }) => ({
        status: 200,
        body: path === '/stream' ? async (stream) => void stream.write('never') : 'twelve bytes',
      }),
    });
    const raw = await pool.raw();
    raw.write('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
    const first = await readAll(raw, (text) => text.includes('\r\n\r\n'));
    expect(first).toMatch(/content-length: 12\r\n/i);
    expect(first.endsWith('\r\n\r\n')).toBe(true);
    raw.removeAllListeners('data');
    raw.write('HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n');
    const second = await readAll(raw, (text) => text.includes('\r\n\r\n'));
    expect(second).not.toContain('never');
    expect(pool.errors).toEqual([]);
  });

  it('sends 204 without body and length', async () => {
    const pool = await boot(factory, { request: () => ({ status: 204 }) });
    const answer = await ask(pool.port, { method: 'DELETE' });
    expect(answer).toMatchObject({ status: 204, body: '' });
    expect(answer.headers['content-length']).toBeUndefined();
  });

  it('keeps the framing headers to itself', async () => {
    const pool = await boot(factory, {
      request: () => ({
        status: 200,
        headers: { 'Content-Length': '999', 'Transfer-Encoding': 'gzip', Connection: 'close' },
        body: 'ok',
      }),
    });
    const answer = await ask(pool.port);
    expect(answer.body).toBe('ok');
    expect(answer.headers['content-length']).toBe('2');
  });

  it.each([
    ['a header value with a line break', { status: 200, headers: { 'x-a': 'b\r\nset-cookie: evil=1' } }],
    ['a header name with a space', { status: 200, headers: { 'x a': 'b' } }],
    ['a status that is none', { status: 99 }],
  ])('answers 500 in place of %s', async (_what, response) => {
    const pool = await boot(factory, { request: () => response });
    const answer = await ask(pool.port);
    expect(answer.status).toBe(500);
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(pool.errors.length).toBe(1);
  });

  it('reads a body with a length, in chunks, empty, and one that comes slowly', async () => {
    const pool = await boot(factory, { request: echo });
    const large = 'ä'.repeat(16_000);
    expect((await ask(pool.port, { method: 'POST', body: large })).body).toBe(large);
    expect((await ask(pool.port, { method: 'POST' })).body).toBe('');
    expect((await ask(pool.port, { method: 'GET' })).body).toBe('');
    const chunked = request({ port: pool.port, host: '127.0.0.1', method: 'PUT', agent: false });
    chunked.write('one ');
    await eventually(() => pool.heads.length).toBe(4);
    chunked.write('two ');
    chunked.end('three');
    expect((await answerTo(chunked)).body).toBe('one two three');
  });

  it('gives the body to a handler that asks late', async () => {
    const pool = await boot(factory, {
      request: async (incoming) => {
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
        return { status: 200, body: Buffer.concat([await incoming.body(), await incoming.body()]) };
      },
    });
    expect((await ask(pool.port, { method: 'POST', body: 'late ' })).body).toBe('late late ');
  });

  it('reads no more of a body that nobody asked for than one read: the rest waits at its sender', async () => {
    const size = 64 * 1024 * 1024;
    let read: () => void = () => undefined;
    const mayRead = new Promise<void>((resolve) => {
      read = resolve;
    });
    const pool = await boot(
      factory,
      {
        request: async (incoming) => {
          if (incoming.path === '/next') return { status: 200, body: 'next' };
          await mayRead;
          return { status: 200, body: String((await incoming.body()).length) };
        },
      },
      { maxBodyBytes: size },
    );
    const raw = await pool.raw();
    raw.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
    raw.write(Buffer.alloc(size));
    await eventually(() => pool.heads.length).toBe(1);
    // What the system itself buffers on both sides is a few MiB.
    for (let i = 0; i < 20; i++) await ask(pool.port, { path: '/next' });
    expect(raw.writableLength).toBeGreaterThan(size / 2);
    read();
    expect(await readAll(raw, (text) => text.endsWith(String(size)))).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('discards the rest of a body whose request was answered without it, however large, and takes the next', async () => {
    const pool = await boot(factory, {
      request: async ({ path }) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        return { status: 401, body: path };
      },
    });
    const raw = await pool.raw();
    raw.write('POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n');
    for (let i = 0; i < 3; i++) {
      raw.write(Buffer.alloc(10_000));
      await ask(pool.port, { path: '/next' });
    }
    expect(await readAll(raw, (text) => text.endsWith('/first'))).toMatch(/^HTTP\/1\.1 401 /);
    raw.removeAllListeners('data');
    raw.write('GET /second HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(await readAll(raw, (text) => text.endsWith('/second'))).toMatch(/^HTTP\/1\.1 401 /);
  });

  it('takes a smaller limit of the handler', async () => {
    const pool = await boot(factory, {
      request: async (incoming) => ({ status: 200, body: await incoming.body(100) }),
    });
    expect((await ask(pool.port, { method: 'POST', body: 'x'.repeat(100) })).status).toBe(200);
    expect(await ask(pool.port, { method: 'POST', body: 'x'.repeat(101) })).toMatchObject({
      status: 413,
      body: 'the request body exceeds 100 bytes\n',
    });
  });

  it('says 100 Continue to a peer that waits for it', async () => {
    const pool = await boot(factory, { request: echo });
    const call = request({
      port: pool.port,
      host: '127.0.0.1',
      method: 'POST',
      agent: false,
      headers: { expect: '100-continue', 'content-length': 4 },
    });
    call.flushHeaders();
    await once(call, 'continue');
    call.end('body');
    expect((await answerTo(call)).body).toBe('body');
  });

  it.each([
    ['announced', `Content-Length: 40000\r\n\r\n${'x'.repeat(40_000)}`],
    ['in chunks', `Transfer-Encoding: chunked\r\n\r\n9c40\r\n${'x'.repeat(40_000)}\r\n0\r\n\r\n`],
  ])('answers 413 to a body over the limit, %s, and goes on with the connection', async (_what, rest) => {
    const pool = await boot(factory, { request: echo });
    const raw = await pool.raw();
    raw.write(`POST / HTTP/1.1\r\nHost: a\r\n${rest}`);
    const refusal = await readAll(raw, (text) => text.includes('bytes\n'));
    expect(refusal).toMatch(/^HTTP\/1\.1 413 /);
    expect(refusal).toContain('the request body exceeds 32768 bytes');
    raw.removeAllListeners('data');
    raw.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nagain');
    expect(await readAll(raw, (text) => text.includes('again'))).toMatch(/^HTTP\/1\.1 200 /);
    expect(pool.errors).toEqual([]);
  });

  it('lets a handler answer a body over the limit itself', async () => {
    const pool = await boot(factory, {
      request: async (incoming) => {
        const failure = await incoming.body().catch((error: unknown) => error);
        return {
          status: failure instanceof BodyTooLarge ? 422 : 200,
          body: `limit ${(failure as BodyTooLarge).limitBytes}`,
        };
      },
    });
    expect(await ask(pool.port, { method: 'POST', body: 'x'.repeat(33_000) })).toMatchObject({
      status: 422,
      body: 'limit 32768',
    });
  });

  it('takes the next request after a body that was not read', async () => {
    const pool = await boot(factory);
    const raw = await pool.raw();
    for (const size of [10, 20_000, 100_000]) {
      raw.removeAllListeners('data');
      raw.write(`POST /${size} HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`);
      expect(await readAll(raw, (text) => text.includes('nothing here'))).toMatch(/^HTTP\/1\.1 404 /);
    }
    expect(pool.heads.map((head) => head.path)).toEqual(['/10', '/20000', '/100000']);
  });

  it('aborts the signal and the body when the peer goes away, which is no error', async () => {
    const seen: unknown[] = [];
    const pool = await boot(factory, {
      request: async (incoming) => {
        incoming.signal.addEventListener('abort', () => seen.push(incoming.signal.reason));
        await incoming.body().catch((error: unknown) => {
          seen.push(error);
          throw error;
        });
        return { status: 200 };
      },
    });
    const raw = await pool.raw();
    raw.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf');
    await eventually(() => pool.heads.length).toBe(1);
    raw.destroy();
    await eventually(() => seen.length).toBe(2);
    expect(seen.every((reason) => reason instanceof RequestAborted)).toBe(true);
    expect((await ask(pool.port, { method: 'POST' })).status).toBe(200);
    expect(pool.errors).toEqual([]);
  });

  it('drops an answer that comes after the peer has gone', async () => {
    let answer: (response: HttpResponse) => void = () => undefined;
    const pool = await boot(factory, {
      request: (incoming) =>
        incoming.path === '/'
          ? new Promise((resolve) => {
              incoming.signal.addEventListener('abort', () => answer({ status: 200, body: 'too late' }));
              answer = resolve;
            })
          : { status: 200, body: 'fine' },
    });
    const raw = await pool.raw();
    raw.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually(() => pool.heads.length).toBe(1);
    raw.destroy();
    expect((await ask(pool.port, { path: '/next' })).body).toBe('fine');
    expect(pool.errors).toEqual([]);
  });

  it('answers 500 when the handler throws, now or later, without any detail', async () => {
    const pool = await boot(factory, {
      request: ({ path }) => {
        if (path === '/now') throw new Error('secret now');
        return Promise.reject(new Error('secret later'));
      },
    });
    for (const path of ['/now', '/later'])
      expect(await ask(pool.port, { path })).toMatchObject({ status: 500, body: 'internal error\n' });
    expect(pool.errors).toMatchObject([{ message: 'secret now' }, { message: 'secret later' }]);
  });

  it('keeps a connection alive over many requests', async () => {
    const pool = await boot(factory, {
      request: async ({ path }) => ({ status: 200, body: `you asked for ${path}.` }),
    });
    const raw = await pool.raw();
    for (let i = 0; i < 5; i += 1) {
      raw.removeAllListeners('data');
      raw.write(`GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
      expect(await readAll(raw, (text) => text.endsWith('.'))).toContain(`you asked for /${i}.`);
    }
    raw.removeAllListeners('data');
    raw.write('GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(await readAll(raw)).toContain('you asked for /end.');
  });

  it('takes 12 KiB of headers and refuses a head that goes on beyond 16', async () => {
    const pool = await boot(factory, { request: () => ({ status: 200, body: 'ok' }) });
    expect((await ask(pool.port, { headers: { cookie: 'x'.repeat(12_000) } })).status).toBe(200);
    const raw = await pool.raw();
    raw.write(`GET / HTTP/1.1\r\nHost: a\r\nCookie: ${'x'.repeat(40_000)}`);
    expect(await readAll(raw)).toMatch(/^HTTP\/1\.1 431 /);
    expect(pool.heads.length).toBe(1);
  });

  it.each([
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
    ['a version that is none', 'GET / HTTP/7.7\r\nHost: a\r\n\r\n'],
    ['a length that is no number', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ten\r\n\r\n'],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a broken chunk', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n'],
  ])('hangs up on %s and serves the next', async (_what, bytes) => {
    const pool = await boot(factory, { request: echo });
    const raw = await pool.raw();
    raw.write(Buffer.from(bytes, 'latin1'));
    expect(await readAll(raw)).not.toMatch(/^HTTP\/1\.1 2/);
    expect((await ask(pool.port)).status).toBe(200);
    expect(pool.errors).toEqual([]);
  });
});
