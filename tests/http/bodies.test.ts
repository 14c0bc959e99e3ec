/** Bodies: read after authentication only, within a bound for each subject; before it no more than a token is. */
import { connect } from 'node:net';
import { BodyTurns } from '@rma/server/http/body-turns';
import type { HttpRequest } from '@rma/server/socket/transport';
import { describe, expect, it } from 'vitest';
import { usePool } from '../support/pool.js';

const MIB = 1_048_576;

describe('bodies of a subject', () => {
  /** A request whose body comes when `send` is called. */
  function request(announcedBytes: number) {
    let isRead = false;
    let send: (bytes: Uint8Array) => void = () => undefined;
    let fail: (error: Error) => void = () => undefined;
    const body = () => {
      isRead = true;
      return new Promise<Uint8Array>((resolve, reject) => {
        send = resolve;
        fail = reject;
      });
    };
    return {
      request: { announcedBytes, body } as unknown as HttpRequest,
      isRead: () => isRead,
      send: () => send(new Uint8Array(3)),
      fail: () => fail(new Error('gone')),
    };
  }

  it('are read within 16 MiB at once; the rest waits, unread, in order', async () => {
    const turns = new BodyTurns();
    const requests = Array.from({ length: 6 }, () => request(8 * MIB));
    const read = requests.map((one) => turns.read('ann', one.request));
    const isRead = () => requests.map((one) => one.isRead());
    expect(isRead()).toEqual([true, true, false, false, false, false]);
    const bob = request(8 * MIB);
    void turns.read('bob', bob.request);
    expect(bob.isRead()).toBe(true);
    requests[1]!.send();
    expect(await read[1]).toHaveLength(3);
    requests[0]!.fail();
    await expect(read[0]).rejects.toThrow('gone');
    await new Promise((resolve) => setImmediate(resolve));
    expect(isRead()).toEqual([true, true, true, true, false, false]);
    for (const [i, one] of requests.entries()) {
      await expect.poll(() => one.isRead()).toBe(true);
      if (i > 1) one.send();
    }
    bob.send();
    await expect.poll(() => turns.size).toBe(0);
  });

  it('beyond the sixty-four that wait are refused', async () => {
    const turns = new BodyTurns();
    const results = Array.from({ length: 70 }, () => turns.read('ann', request(16 * MIB).request));
    await expect(results.at(-1)).rejects.toMatchObject({ kind: 'rate_limited' });
    const last = await Promise.allSettled(results.slice(65));
    expect(last.every(({ status }) => status === 'rejected')).toBe(true);
  });
});

describe('before it is known who sends', () => {
  const pool = usePool();
  /** Begins a request whose body never ends, and answers the status line that comes all the same. */
  const begin = async (path: string, bytes: number) => {
    const socket = connect({ port: pool.coordinator.port, host: '127.0.0.1' });
    socket.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n{"half":`);
    const answer = await new Promise<string>((resolve, reject) => {
      socket.once('data', (data) => resolve(data.toString('latin1')));
      socket.once('error', reject);
    });
    socket.destroy();
    return answer.split('\r\n')[0];
  };

  it.each([
    ['/api/tasks', '401'],
    ['/api/session/code', '401'],
    ['/api/session', '413'],
    ['/api/join-info', '413'],
  ])('a half-sent body of 8 MiB to %s is not waited for: %s', async (path, status) => {
    expect(await begin(path, 8 * MIB)).toContain(status);
  });
});
