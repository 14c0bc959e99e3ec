/**
 * One suite of conversations with a scripted coordinator, for the agent and the SDK (in both subprotocols) over both
 * transports of the coordinator: what PROTOCOL.md asks of the side that dials.
 */
import { createHash } from 'node:crypto';
import { CLOSE, type CloseName } from '@rma/protocol/error';
import { type BlobRef, packPayload } from '@rma/protocol/payload';
import { FEATURES } from '@rma/protocol/version';
import type { TransportFactory } from '@rma/server/socket/transport';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeTransports } from '../socket/transport-harness.js';
import { HOSTS, type Host } from './support/hosts.js';
import { ScriptedCoordinator, type ScriptedSession } from './support/scripted-coordinator.js';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const BYTES = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
const BLOB: BlobRef = { $blob: sha256(BYTES), size: BYTES.length, as: 'bytes' };
const WAIT = { timeout: 20_000, interval: 10 };
const FINAL = ['unauthenticated', 'revoked', 'unsupported_version'] as const;

describeTransports('a peer', (factory: TransportFactory) => {
  describe.each(HOSTS)('%s', (_, makeHost) => {
    let coordinator: ScriptedCoordinator;
    let host: Host;

    beforeEach(async () => {
      coordinator = await ScriptedCoordinator.start(factory);
      host = makeHost();
      await host.start(coordinator.url);
    });

    afterEach(async () => {
      await host.stop();
      await vi.waitFor(() => expect(coordinator.open).toBe(0), WAIT);
      await coordinator.stop();
      expect(coordinator.errors).toEqual([]);
    });

    async function session(): Promise<ScriptedSession> {
      const next = await coordinator.connection();
      await next.next('hello');
      next.send(host.welcome());
      await vi.waitFor(() => expect(host.isOnline()).toBe(true), WAIT);
      return next;
    }

    const lost = () => vi.waitFor(() => expect(host.lost() ?? host.ended()).toBeDefined(), WAIT);

    it('greets with version, features, program and token, and is silent until it is welcome', async () => {
      const first = await coordinator.connection();
      const hello = await first.next('hello');
      expect(hello).toMatchObject({ protocol: 1, features: [...FEATURES], token: 'a token' });
      expect(hello.worker === undefined).toBe(host.role === 'client');
      expect(first.messages.size).toBe(0);
      expect(host.isOnline()).toBe(false);
      first.send(host.welcome());
      await vi.waitFor(() => expect(host.isOnline()).toBe(true), WAIT);
    });

    it.each(FINAL)('stops where it is refused as %s, and says why', async (close) => {
      const first = await coordinator.connection();
      await first.next('hello');
      first.send(
        { type: 'error', error: { kind: 'unauthenticated', message: 'the reason in words' } },
        { type: 'goodbye', reason: close, message: 'closed' },
      );
      first.close(CLOSE[close].code);
      await vi.waitFor(() => expect(host.ended()).toContain('the reason in words'), WAIT);
      expect(coordinator.connections).toBe(1);
    });

    it.each(['bad_frame', 'forbidden', 'frame_too_large'] as const)(
      'after %s a client stops, a worker waits',
      async (close) => {
        const first = await session();
        first.close(CLOSE[close].code);
        await lost();
        if (host.role === 'client') expect(host.ended()).toContain(CLOSE[close].meaning);
        else {
          expect(host.ended()).toBeUndefined();
          expect(host.lost()?.reason).toContain(CLOSE[close].meaning);
          expect(host.lost()?.afterMs).toBeGreaterThan(25_000);
          expect(host.lost()?.afterMs).toBeLessThanOrEqual(33_000);
        }
        expect(coordinator.connections).toBe(1);
      },
    );

    it('dials again after every close that says so, and after one that says nothing', async () => {
      const retried = (Object.keys(CLOSE) as CloseName[]).filter(
        (name) => CLOSE[name].retry && name !== 'replaced' && name !== 'silent',
      );
      let current = await session();
      for (const name of retried.slice(0, 3)) {
        current.close(CLOSE[name].code);
        current = await session();
      }
      current.kill();
      await session();
    });

    it('drops a session that brings a bad frame with 4400, and the third is no better', async () => {
      for (const frame of ['not json', '{"type":"accepted","tasks":7}', new Uint8Array([0xc1, 0, 0])]) {
        const current = await session();
        // One that it does not know is none.
        current.sendRaw('{"type":"news.of.version.2"}');
        current.sendRaw(
          typeof frame === 'string' && host.role === 'worker' ? '{"type":"dispatch","tasks":[{}]}' : frame,
        );
        expect(await current.closed).toBe(4400);
      }
      await lost();
      if (host.role === 'client') await vi.waitFor(() => expect(host.ended()).toContain('update'), WAIT);
      else await vi.waitFor(() => expect(host.lost()?.afterMs).toBeGreaterThan(25_000), WAIT);
      expect(coordinator.connections).toBe(3);
    });

    it('sends what came up in one tick in one write', async () => {
      const current = await session();
      await new Promise((resolve) => setTimeout(resolve, 50));
      coordinator.reads = [];
      const types = await host.sendMany(current);
      for (const type of types) await current.next(type);
      expect(coordinator.reads).toHaveLength(1);
    });

    it('uploads a large value over a lost session, before the message that names it', async () => {
      const first = await session();
      host.sendValue({ file: BYTES }, first);
      const put = await first.next('blob.put');
      expect(put).toMatchObject({ blob: BLOB.$blob, size: BYTES.length });
      first.send({ type: 'blob.ready', stream: put.stream, offset: 0, credit: 100_000 });
      const parts: Uint8Array[] = [];
      for (let got = 0; got < 100_000; got += parts.at(-1)?.length ?? 0) parts.push((await first.data.next()).bytes);
      first.kill();
      const second = await session();
      const again = await second.next('blob.put');
      second.send({ type: 'blob.ready', stream: again.stream, offset: 100_000, credit: 1_000_000 });
      await second.next('stream.end');
      while (second.data.size > 0) parts.push((await second.data.next()).bytes);
      expect(sha256(Buffer.concat(parts))).toBe(BLOB.$blob);
      expect(second.messages.size).toBe(0);
      second.send({ type: 'blob.stored', stream: again.stream, blob: again.blob });
      expect(JSON.stringify(await second.next(host.sentBy))).toContain(BLOB.$blob);
    });

    function serve(current: ScriptedSession, stream: number, bytes: Uint8Array): void {
      current.send({ type: 'blob.head', stream, size: BYTES.length });
      current.sendData(stream, bytes);
    }

    it('downloads a large value over a lost session, from the byte where it stopped', async () => {
      const first = await session();
      const value = host.receiveValue(packPayload({ file: BLOB }), [BLOB.$blob], first);
      const get = await first.next('blob.get');
      expect(get).toMatchObject({ blob: BLOB.$blob, offset: 0 });
      serve(first, get.stream, BYTES.subarray(0, 200_000));
      await first.next('stream.credit');
      first.kill();
      const second = await session();
      const again = await second.next('blob.get');
      expect(again.offset).toBeGreaterThanOrEqual(131_072);
      serve(second, again.stream, BYTES.subarray(again.offset));
      second.send({ type: 'stream.end', stream: again.stream });
      expect(sha256(((await value) as { file: Uint8Array }).file)).toBe(BLOB.$blob);
    });

    it('asks again for a blob that arrived damaged, and gives it up when it does so twice', async () => {
      const current = await session();
      const value = host.receiveValue(packPayload({ file: BLOB }), [BLOB.$blob], current);
      const refused = expect(value).rejects.toThrow(/damaged twice/);
      for (let i = 0; i < 2; i += 1) {
        const get = await current.next('blob.get');
        expect(get.offset).toBe(0);
        serve(current, get.stream, BYTES.toReversed());
        current.send({ type: 'stream.end', stream: get.stream });
      }
      await refused;
    });

    it('follows blobs that name blobs four deep, and no deeper', async () => {
      const current = await session();
      const blobs = new Map<string, Uint8Array>();
      let payload: Uint8Array = packPayload('the core');
      for (let level = 0; level < 5; level += 1) {
        blobs.set(sha256(payload), payload);
        payload = packPayload({ $blob: sha256(payload), size: payload.length, as: 'msgpack' });
      }
      const value = host.receiveValue(payload, [...blobs.keys()], current);
      const refused = expect(value).rejects.toThrow(/nests blobs in blobs more than 4 deep/);
      for (let i = 0; i < 5; i += 1) {
        const { stream, blob } = await Promise.race([
          current.next('blob.get'),
          refused.then(() => ({ stream: 0, blob: '' })),
        ]);
        const bytes = blobs.get(blob);
        if (!bytes) break;
        current.send({ type: 'blob.head', stream, size: bytes.length });
        current.sendData(stream, bytes);
        current.send({ type: 'stream.end', stream });
      }
      await refused;
    });
  });

  it('sends a heartbeat after 3 s, and leaves a coordinator that is silent for 8 s with 4410', async () => {
    await Promise.all(
      HOSTS.map(async ([, makeHost]) => {
        const coordinator = await ScriptedCoordinator.start(factory);
        const host = makeHost();
        await host.start(coordinator.url);
        const first = await coordinator.connection();
        await first.next('hello');
        first.send(host.welcome());
        const sinceMs = performance.now();
        await first.next('heartbeat');
        expect(performance.now() - sinceMs).toBeGreaterThan(2_500);
        expect(await first.closed).toBe(4410);
        expect(performance.now() - sinceMs).toBeGreaterThan(7_500);
        await (await coordinator.connection()).next('hello');
        await host.stop();
        await coordinator.stop();
      }),
    );
  });
});
