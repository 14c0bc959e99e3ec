/** What a stranger's machine may say of itself without end: the coordinator keeps only so much of it. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Peer, workerHello } from '../support/peer.js';
import { eventually } from '../support/pool.js';
import { FuzzHost } from './fuzz-host.js';

let host: FuzzHost;
beforeAll(async () => {
  host = await FuzzHost.start();
});
afterAll(() => host.stop());

const MESSAGES = 80;
/** As much as a worker may say of itself, nearly. */
const LIST = 56;

it('a worker that offers new kinds all the time does not make the coordinator grow', { timeout: 60_000 }, async () => {
  const { peer } = await Peer.worker(host.url, host.tokens.join, workerHello());
  const admin = await Peer.client(host.url, host.tokens.admin);
  let made = 0;
  const offer = async () => {
    const kinds = () => Array.from({ length: LIST }, () => `made.up.${made++}`);
    const services = Array.from({ length: LIST }, (_, i) => ({
      name: `service-${i}`,
      runtime: 'embedded' as const,
      state: 'healthy' as const,
      kinds: kinds(),
      slots: 1,
    }));
    const last = services.at(-1)?.kinds.at(-1);
    peer.send({ type: 'services', services });
    await eventually(async () => {
      const workers = await admin.ask({ type: 'query', query: { what: 'workers' } });
      expect(JSON.stringify(workers)).toContain(last);
    });
  };
  for (let i = 0; i < 5; i++) await offer();
  const before = await host.measure();
  for (let i = 0; i < MESSAGES; i++) await offer();
  const after = await host.measure();
  expect(after.errors).toEqual([]);
  // A quarter of a million names: even a bare Set of them would be above this.
  expect(after.heapUsed - before.heapUsed).toBeLessThan(8 * 1_048_576);
  await Promise.all([peer.close(), admin.close()]);
});
