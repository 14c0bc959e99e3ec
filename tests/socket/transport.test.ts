// The conformance suite of the transport port, WebSocket half: both adapters must pass it.
import { once } from 'node:events';
import { expect, it } from 'vitest';
import {
  boot,
  cleanUpTransports,
  closing,
  describeTransports,
  eventually,
  frame,
  HANDSHAKE,
  readAll,
} from './transport-harness.js';

describeTransports('a transport carries WebSockets', (factory) => {
  cleanUpTransports();

  it('accepts an upgrade with the subprotocol that the handler picked', async () => {
    const pool = await boot(factory, { upgrade: (_head, offered) => ({ accept: true, protocol: offered[1] ?? '' }) });
    const client = await pool.dial({ protocols: ['rma.v1.json', 'rma.v1.msgpack'] });
    expect(client.protocol).toBe('rma.v1.msgpack');
    const socket = await pool.socket();
    expect(socket.protocol).toBe('rma.v1.msgpack');
    expect(socket.remoteAddress).toBe('127.0.0.1');
    expect(pool.heads[0]).toMatchObject({ method: 'GET', path: '/ws', query: '', remoteAddress: '127.0.0.1' });
  });

  it('accepts an upgrade without a subprotocol', async () => {
    const pool = await boot(factory);
    const client = await pool.dial({ path: '/ws?a=1' });
    expect(client.protocol).toBe('');
    expect(pool.heads[0]?.query).toBe('a=1');
  });

  it('offers no compression', async () => {
    const pool = await boot(factory);
    const client = await pool.dial({ perMessageDeflate: true });
    expect(client.extensions).toBe('');
  });

  it('answers a refused upgrade with its status and message', async () => {
    const pool = await boot(factory, { upgrade: () => ({ accept: false, status: 401, message: 'no token\n' }) });
    const raw = await pool.raw();
    raw.write(HANDSHAKE);
    const answer = await readAll(raw);
    expect(answer).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n/);
    expect(answer).toMatch(/\r\n\r\nno token\n$/);
    expect(pool.of('open')).toEqual([]);
  });

  it.each([
    ['a version that it does not speak', HANDSHAKE.replace('Version: 13', 'Version: 12'), 426],
    ['a key that is none', HANDSHAKE.replace('dGhlIHNhbXBsZSBub25jZQ==', 'short'), 400],
    ['no Connection: Upgrade', HANDSHAKE.replace('Connection: Upgrade', 'Connection: close'), 400],
  ])('refuses a handshake with %s', async (_what, handshake, status) => {
    const pool = await boot(factory);
    const raw = await pool.raw();
    raw.write(handshake);
    expect(await readAll(raw)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(pool.of('open')).toEqual([]);
  });

  it.each([
    ['another path', HANDSHAKE.replace('GET /ws', 'GET /other')],
    [
      'another protocol',
      HANDSHAKE.replace('Upgrade: websocket', 'Upgrade: h2c').replace(/Sec-WebSocket-Key.*\r\n/, ''),
    ],
  ])('treats an upgrade to %s as a plain request', async (_what, request) => {
    const pool = await boot(factory);
    const raw = await pool.raw();
    raw.write(request);
    expect(await readAll(raw, (text) => text.includes('nothing here'))).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('believes the last forwarded address only where it trusts its proxy', async () => {
    const headers = { 'x-forwarded-for': '6.6.6.6, 2001:db8:0:0:0:0:0:1' };
    const plain = await boot(factory);
    await plain.dial({ headers });
    expect((await plain.socket()).remoteAddress).toBe('127.0.0.1');
    const trusting = await boot(factory, {}, { trustProxy: true });
    await trusting.dial({ headers });
    expect((await trusting.socket()).remoteAddress).toBe('2001:db8::1');
  });

  it('carries text as strings and binary as bytes, both ways, empty ones too', async () => {
    const pool = await boot(factory, { message: (socket, data) => void socket.send(data) });
    const client = await pool.dial();
    const echoes: [string, boolean][] = [];
    client.on('message', (data: Buffer, isBinary) => echoes.push([data.toString('latin1'), isBinary]));
    client.send('naïve');
    client.send(Buffer.from([0, 255, 7]));
    client.send('');
    client.send(Buffer.alloc(0));
    await eventually(() => echoes.length).toBe(4);
    expect(echoes).toEqual([
      [Buffer.from('naïve').toString('latin1'), false],
      ['\x00\xff\x07', true],
      ['', false],
      ['', true],
    ]);
    expect(pool.of('message').map((event) => event.data)).toEqual([
      'naïve',
      expect.any(Uint8Array),
      '',
      expect.any(Uint8Array),
    ]);
  });

  it('hands on bytes that stay as they are after the callback', async () => {
    const pool = await boot(factory);
    const client = await pool.dial();
    for (let i = 0; i < 50; i += 1) client.send(Buffer.alloc(1000, i));
    await eventually(() => pool.of('message').length).toBe(50);
    const kept = pool.of('message').map((event) => event.data as Uint8Array);
    expect(kept.every((data, i) => data.byteLength === 1000 && data.every((byte) => byte === i))).toBe(true);
  });

  it('sends a part of a larger buffer', async () => {
    const pool = await boot(factory);
    const client = await pool.dial();
    const socket = await pool.socket();
    const heard = once(client, 'message');
    socket.send(Buffer.from('abcdef').subarray(2, 4));
    expect(String((await heard)[0])).toBe('cd');
  });

  it('carries frames up to the limit', async () => {
    const pool = await boot(factory, { message: (socket, data) => void socket.send(data) });
    const client = await pool.dial();
    client.send(Buffer.alloc(64 * 1024, 3));
    const [echo] = (await once(client, 'message')) as [Buffer];
    expect(echo.equals(Buffer.alloc(64 * 1024, 3))).toBe(true);
  });

  it('closes with 1009 and names the limit when a frame is larger', async () => {
    const pool = await boot(factory);
    const client = await pool.dial();
    client.send(Buffer.alloc(64 * 1024 + 1));
    const end = await closing(client);
    expect(end).toEqual({ code: 1009, reason: expect.stringContaining('65537 bytes exceeds the limit of 65536') });
    expect(pool.of('message')).toEqual([]);
    expect(pool.of('close')).toMatchObject([end]);
  });

  it('cuts a peer that announces a frame of many times the limit, without waiting for it', async () => {
    const pool = await boot(factory);
    const raw = await pool.raw();
    raw.write(HANDSHAKE);
    await pool.socket();
    raw.write(Buffer.from([0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5])); // 4 GiB
    await eventually(() => pool.of('close').length).toBe(1);
    expect(pool.of('close')[0]?.code).toBe(1009);
  });

  it('takes fragmented messages with control frames in between', async () => {
    const pool = await boot(factory);
    const raw = await pool.raw();
    raw.write(HANDSHAKE);
    await pool.socket();
    const parts = [
      frame(0x01, Buffer.from('a€').subarray(0, 2)),
      frame(0x89, Buffer.from('hi')),
      frame(0x00, Buffer.from('a€').subarray(2)),
      frame(0x80, Buffer.from('!')),
    ];
    raw.write(Buffer.concat(parts));
    await eventually(() => pool.of('message').map((event) => event.data)).toEqual(['a€!']);
    expect(await readAll(raw, (text) => text.endsWith('\x8a\x02hi'))).toContain('\x8a\x02hi');
  });

  it.each([
    ['text that is not UTF-8', frame(0x81, Buffer.from([0xff, 0xfe])), [1007]],
    ['reserved bits', frame(0xf1, Buffer.from('x')), [1002, 1006]],
    ['an unknown opcode', frame(0x83, Buffer.from('x')), [1002, 1006]],
    ['a close frame of one byte', frame(0x88, Buffer.from([3])), [1002, 1005, 1006]],
  ])('survives %s and reports the end once', async (_what, bytes, codes) => {
    const pool = await boot(factory);
    const raw = await pool.raw();
    raw.write(HANDSHAKE);
    await pool.socket();
    raw.write(bytes);
    await eventually(() => pool.of('close').length).toBe(1);
    expect(codes).toContain(pool.of('close')[0]?.code);
    const next = await pool.dial();
    next.send('still here');
    await eventually(() => pool.of('message').map((event) => event.data)).toEqual(['still here']);
    expect(pool.errors).toEqual([]);
  });

  it('survives random bytes in place of frames', async () => {
    const pool = await boot(factory);
    for (let seed = 1; seed <= 40; seed += 1) {
      const raw = await pool.raw();
      raw.write(HANDSHAKE);
      raw.write(Buffer.from(Array.from({ length: 64 }, (_, i) => (seed * 2654435761 * (i + 1)) >>> 13)));
      raw.end();
    }
    await eventually(() => pool.of('close').length).toBe(40);
    expect(pool.errors).toEqual([]);
  });

  it('sends what is corked in order and in one piece', async () => {
    const pool = await boot(factory);
    const raw = await pool.raw();
    raw.write(HANDSHAKE);
    const socket = await pool.socket();
    await readAll(raw, (text) => text.includes('\r\n\r\n'));
    const pieces: string[] = [];
    raw.on('data', (chunk) => pieces.push(chunk.toString('latin1')));
    socket.cork(() => {
      for (let i = 0; i < 100; i += 1) expect(socket.send(`frame ${i}`)).toBe('sent');
    });
    expect(socket.bufferedBytes).toBe(0);
    await eventually(() => pieces.join('').endsWith('frame 99')).toBe(true);
    expect(pieces.length).toBe(1);
    expect([...pieces.join('').matchAll(/frame (\d+)/g)].map((match) => Number(match[1]))).toEqual([
      ...Array(100).keys(),
    ]);
  });

  it('throws on what a corked function throws, after sending what it sent', async () => {
    const pool = await boot(factory);
    const client = await pool.dial();
    const socket = await pool.socket();
    expect(() =>
      socket.cork(() => {
        socket.send('before');
        throw new Error('in the cork');
      }),
    ).toThrow('in the cork');
    expect(String(((await once(client, 'message')) as [Buffer])[0])).toBe('before');
  });

  it('sends, then closes, when a socket is closed inside its cork', async () => {
    const pool = await boot(factory);
    const client = await pool.dial();
    const socket = await pool.socket();
    const heard: string[] = [];
    client.on('message', (data) => heard.push(String(data)));
    const end = closing(client);
    socket.cork(() => {
      socket.send('last words');
      socket.close(4001, 'done');
      expect(socket.send('too late')).toBe('dropped');
    });
    expect(await end).toEqual({ code: 4001, reason: 'done' });
    expect(heard).toEqual(['last words']);
  });

  it('buffers for a peer that does not read, reports it, and drains when it reads again', async () => {
    const pool = await boot(factory, {}, { maxBufferedBytes: 64 * 1024 * 1024 });
    const client = await pool.dial();
    const socket = await pool.socket();
    client.pause();
    let sent = 0;
    let result = socket.send(Buffer.alloc(64 * 1024));
    for (sent = 1; result === 'sent'; sent += 1) result = socket.send(Buffer.alloc(64 * 1024));
    expect(result).toBe('buffered');
    expect(socket.bufferedBytes).toBeGreaterThan(0);
    for (let i = 0; i < 10; i += 1, sent += 1) expect(socket.send(Buffer.alloc(64 * 1024))).toBe('buffered');
    expect(socket.bufferedBytes).toBeGreaterThan(10 * 64 * 1024);
    socket.cork(() => {
      sent += 1;
      expect(socket.send('x')).toBe('buffered');
    });
    expect(pool.of('drain')).toEqual([]);
    let received = 0;
    client.on('message', () => {
      received += 1;
    });
    client.resume();
    await eventually(() => received).toBe(sent);
    await eventually(() => pool.of('drain').length).toBe(1);
    expect(socket.bufferedBytes).toBe(0);
    expect(socket.send('more')).toBe('sent');
    await eventually(() => received).toBe(sent + 1);
    expect(pool.of('drain').length).toBe(1);
  });

  it('drains after a cork that was too much for the peer', async () => {
    const pool = await boot(factory, {}, { maxBufferedBytes: 64 * 1024 * 1024 });
    const client = await pool.dial();
    const socket = await pool.socket();
    client.pause();
    socket.cork(() => {
      for (let i = 0; i < 200; i += 1) socket.send(Buffer.alloc(60_000));
    });
    expect(socket.bufferedBytes).toBeGreaterThan(0);
    client.resume();
    await eventually(() => pool.of('drain').length).toBe(1);
    expect(socket.bufferedBytes).toBe(0);
  });

  it.each(['send', 'publish'] as const)(
    'drops and cuts a peer that lets more wait than the limit (%s)',
    async (how) => {
      const pool = await boot(factory);
      const client = await pool.dial();
      const other = await pool.dial();
      const socket = await pool.socket();
      const second = await pool.socket(1);
      let otherReceived = 0;
      other.on('message', () => {
        otherReceived += 1;
      });
      socket.subscribe('all');
      second.subscribe('all');
      client.pause();
      const end = closing(client);
      let highest = 0;
      let published = 0;
      const block = Buffer.alloc(60_000);
      if (how === 'send') {
        let result = socket.send(block);
        while (result !== 'dropped') {
          highest = Math.max(highest, socket.bufferedBytes);
          result = socket.send(block);
        }
        expect(socket.send('after')).toBe('dropped');
        expect(pool.of('close')).toEqual([]); // not inside the send
      } else {
        while (pool.of('close').length === 0) {
          pool.transport.publish('all', block);
          published += 1;
          await eventually(() => otherReceived).toBe(published);
          highest = Math.max(highest, socket.bufferedBytes);
        }
      }
      await eventually(() => pool.of('close').length).toBe(1);
      expect(pool.of('close')[0]).toMatchObject({
        socket,
        code: 1013,
        reason: expect.stringContaining('the limit is 262144'),
      });
      expect(highest).toBeLessThanOrEqual(256 * 1024 + 60_000 + 100);
      client.resume();
      expect((await end).code).toBe(1006);
      other.send('fine');
      await eventually(() => pool.of('message').length).toBe(1);
    },
  );

  it('publishes to those that subscribed, in order with what is sent to each', async () => {
    const pool = await boot(factory);
    const clients = await Promise.all(Array.from({ length: 20 }, () => pool.dial()));
    const heard = clients.map((client) => {
      const list: string[] = [];
      client.on('message', (data: Buffer, isBinary) => list.push(`${isBinary ? 'binary' : 'text'} ${data}`));
      return list;
    });
    const sockets = await Promise.all(clients.map((_, i) => pool.socket(i)));
    for (const socket of sockets) socket.subscribe('events');
    sockets[3]!.subscribe('other');
    sockets[5]!.unsubscribe('events');
    for (const socket of sockets) socket.send('before');
    pool.transport.publish('events', 'news');
    pool.transport.publish('events', Buffer.from('bytes'));
    pool.transport.publish('nobody', 'lost');
    for (const socket of sockets) socket.send('after');
    await eventually(() => heard.every((list) => list.includes('text after'))).toBe(true);
    const subscriber = ['text before', 'text news', 'binary bytes', 'text after'];
    const all = heard.map((list) => list.join()).toSorted();
    expect(all).toEqual([...Array(19).fill(subscriber.join()), 'text before,text after'].toSorted());
  });

  it('publishes to no socket that has closed', async () => {
    const pool = await boot(factory);
    const client = await pool.dial();
    const socket = await pool.socket();
    socket.subscribe('events');
    const heard: string[] = [];
    client.on('message', (data) => heard.push(String(data)));
    const end = closing(client);
    socket.close(1000, '');
    socket.subscribe('events');
    pool.transport.publish('events', 'late');
    await end;
    expect(heard).toEqual([]);
  });
});
