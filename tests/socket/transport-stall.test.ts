// Peers that take nothing more: slow by nature, so in a file of their own that runs beside the others.
import { expect, it } from 'vitest';
import { boot, cleanUpTransports, describeTransports, frame, HANDSHAKE } from './transport-harness.js';

describeTransports('a transport cuts a peer that stalls', (factory) => {
  cleanUpTransports();

  it('when a streamed response makes no progress for 10 s', { timeout: 40_000 }, async () => {
    let stalledMs: number | undefined;
    const pool = await boot(factory, {
      request: () => ({
        status: 200,
        body: async (stream, signal) => {
          let last = performance.now();
          signal.addEventListener('abort', () => {
            stalledMs = performance.now() - last;
          });
          for (;;) {
            last = performance.now();
            if (!stream.write(Buffer.alloc(64 * 1024))) await stream.drained();
          }
        },
      }),
    });
    const raw = await pool.raw();
    raw.pause();
    raw.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(() => stalledMs, { timeout: 30_000, interval: 100 }).toBeGreaterThan(5_000);
    expect(stalledMs).toBeLessThan(18_000);
    expect(pool.errors).toEqual([]);
  });

  it.each([
    ['does not hang up', 0],
    ['does not read', 200],
  ])('when a socket was closed and the peer %s', { timeout: 40_000 }, async (_what, frames) => {
    const pool = await boot(factory, {}, { maxBufferedBytes: 64 * 1024 * 1024 });
    const raw = await pool.raw();
    raw.write(HANDSHAKE);
    const socket = await pool.socket();
    if (frames > 0) raw.pause();
    else raw.resume();
    for (let i = 0; i < frames; i += 1) socket.send(Buffer.alloc(64 * 1024));
    socket.close(1000, 'done');
    // The peer sends pongs into a connection that is no more, which is how it learns of the end.
    const cut = new Promise((resolve) => raw.once('close', resolve));
    const pongs = setInterval(() => raw.write(frame(0x8a, Buffer.alloc(0))), 200);
    await cut;
    clearInterval(pongs);
    expect(pool.of('close')).toMatchObject([{ code: 1000, reason: 'done' }]);
  });
});
