// The conformance suite of the transport port, how things end: both adapters must pass it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import WebSocket from 'ws';
import {
  boot,
  cleanUpTransports,
  closing,
  describeTransports,
  dialRaw,
  eventually,
  frame,
  HANDSHAKE,
  readAll,
} from './transport-harness.js';

describeTransports('a transport comes to its ends', (factory, name) => {
  cleanUpTransports();

  it('closes with a code and reason after what is buffered, and reports it once, after the call', async () => {
    const pool = await boot(factory);
    const client = await pool.dial();
    const socket = await pool.socket();
    const heard: string[] = [];
    client.on('message', (data) => heard.push(String(data)));
    const end = closing(client);
    socket.send('first');
    socket.close(4010, 'é'.repeat(100));
    expect(pool.of('close')).toEqual([]);
    socket.close(4011, 'again');
    socket.terminate();
    expect(await end).toEqual({ code: 4010, reason: 'é'.repeat(61) });
    expect(heard).toEqual(['first']);
    await eventually(() => pool.of('close')).toMatchObject([{ code: 4010, reason: 'é'.repeat(61) }]);
  });

  it('refuses a close code that must not be sent', async () => {
    const pool = await boot(factory);
    await pool.dial();
    const socket = await pool.socket();
    for (const code of [0, 999, 1005, 1006, 1015, 2000, 5000, 1000.5])
      expect(() => socket.close(code, '')).toThrow(RangeError);
    expect(socket.send('open')).toBe('sent');
  });

  it("reports the peer's close code and reason", async () => {
    const pool = await boot(factory);
    (await pool.dial()).close(4123, 'bye');
    (await pool.dial()).close();
    await eventually(() => pool.of('close').length).toBe(2);
    expect(
      pool
        .of('close')
        .map(({ code, reason }) => `${code} ${reason}`)
        .toSorted(),
    ).toEqual(['1005 ', '4123 bye']);
  });

  it('reports a connection that breaks as 1006', async () => {
    const pool = await boot(factory);
    (await pool.dial()).terminate();
    const raw = await pool.raw();
    raw.write(HANDSHAKE);
    await pool.socket(1);
    raw.end();
    await eventually(() => pool.of('close').map((event) => event.code)).toEqual([1006, 1006]);
  });

  it('hands on no message after a close', async () => {
    const pool = await boot(factory, {
      message: (socket) => {
        socket.close(1000, '');
      },
    });
    const raw = await pool.raw();
    raw.write(HANDSHAKE);
    await pool.socket();
    raw.write(Buffer.concat([frame(0x81, Buffer.from('one')), frame(0x81, Buffer.from('two'))]));
    await eventually(() => pool.of('close').length).toBe(1);
    raw.write(frame(0x81, Buffer.from('three')));
    raw.end();
    await readAll(raw);
    expect(pool.of('message').map((event) => event.data)).toEqual(['one']);
  });

  it('terminates at once', async () => {
    const pool = await boot(factory);
    const client = await pool.dial();
    const socket = await pool.socket();
    const end = closing(client);
    socket.terminate();
    expect((await end).code).toBe(1006);
    await eventually(() => pool.of('close')).toMatchObject([{ code: 1006 }]);
  });

  it('is harmless once closed', async () => {
    const pool = await boot(factory);
    const client = await pool.dial();
    const socket = await pool.socket();
    client.terminate();
    await eventually(() => pool.of('close').length).toBe(1);
    expect(socket.send('x')).toBe('dropped');
    expect(socket.bufferedBytes).toBe(0);
    let ran = false;
    socket.cork(() => {
      ran = true;
      socket.send('y');
    });
    expect(ran).toBe(true);
    socket.subscribe('t');
    socket.unsubscribe('t');
    socket.close(1000, '');
    socket.terminate();
    pool.transport.publish('t', 'z');
  });

  it('may be closed in the handler that opens it', async () => {
    const pool = await boot(factory, { open: (socket) => socket.close(4003, 'not you') });
    const client = new WebSocket(`ws://127.0.0.1:${pool.port}/ws`);
    expect(await closing(client)).toEqual({ code: 4003, reason: 'not you' });
    await eventually(() => pool.of('close').length).toBe(1);
  });

  it('contains what handlers throw, at once or later, and gives it to error', async () => {
    const fail = (what: string) => () => {
      throw new Error(what);
    };
    const failLater = (what: string) => () => Promise.reject(new Error(what)) as unknown as undefined;
    for (const how of [fail, failLater]) {
      const pool = await boot(
        factory,
        { open: how('open'), message: how('message'), close: how('close'), drain: how('drain') },
        { maxBufferedBytes: 1e9 },
      );
      const client = await pool.dial();
      client.send('x');
      await eventually(() => pool.of('message').length).toBe(1);
      const socket = await pool.socket();
      client.pause();
      while (socket.bufferedBytes === 0) socket.send(Buffer.alloc(64 * 1024));
      client.resume();
      await eventually(() => pool.of('drain').length).toBe(1);
      client.close();
      await eventually(() => pool.errors.map((error) => (error as Error).message)).toEqual([
        'open',
        'message',
        'drain',
        'close',
      ]);
    }
    const pool = await boot(factory, { upgrade: fail('upgrade') });
    const raw = await pool.raw();
    raw.write(HANDSHAKE);
    expect(await readAll(raw)).toMatch(/^HTTP\/1\.1 500 /);
    expect(pool.errors).toMatchObject([{ message: 'upgrade' }]);
  });

  it('refuses a taken port with EADDRINUSE', async () => {
    const pool = await boot(factory);
    const second = factory({ maxFrameBytes: 1, maxBufferedBytes: 1, maxBodyBytes: 1, trustProxy: false }, {} as never);
    await expect(second.listen('127.0.0.1', pool.port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(second.listen('0.0.0.0', pool.port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(second.listen('192.0.2.1', 0)).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
    await second.close();
  });

  it('stops listening without touching the sockets that are open', async () => {
    const pool = await boot(factory, { message: (socket, data) => void socket.send(data) });
    const client = await pool.dial();
    pool.transport.stopListening();
    pool.transport.stopListening();
    await eventually(async () => (await dialRaw(pool.port).catch(() => 'refused')) === 'refused').toBe(true);
    client.send('still here');
    expect(String(((await once(client, 'message')) as [Buffer])[0])).toBe('still here');
  });

  it('ends everything on close, also a peer that does not read or does not hang up', async () => {
    const pool = await boot(
      factory,
      { request: () => new Promise(() => undefined) },
      { maxBufferedBytes: 64 * 1024 * 1024 },
    );
    const stuck = await pool.dial();
    stuck.pause();
    const socket = await pool.socket();
    while (socket.send(Buffer.alloc(64 * 1024)) === 'sent');
    socket.close(1001, 'going away');
    const lingering = await pool.raw();
    lingering.write(HANDSHAKE);
    (await pool.socket(1)).close(1000, '');
    const idle = await pool.dial();
    const http = await pool.raw();
    http.write('GET / HTTP/1.1\r\nHost: pool\r\n\r\n');
    await eventually(() => pool.heads.length).toBe(4);
    const ends = [closing(stuck), closing(idle)];
    await pool.transport.close();
    expect(pool.of('close').length).toBe(3);
    stuck.resume();
    for (const end of await Promise.all(ends)) expect(end.code).toBe(1006);
    await readAll(http);
    await pool.transport.close();
  });

  it('lets the process exit once it is closed', async () => {
    const child = fork(new URL('./transport-exit.mjs', import.meta.url), [name], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
  });
});
