/** A browser that does not read, over a real socket: fewer updates for it, nothing that grows, and none the less right. */
import type { DownOf } from '@rma/protocol/down';
import { expect, it } from 'vitest';
import { echoTask, type Peer } from '../support/peer.js';
import { eventually, usePool } from '../support/pool.js';

const pool = usePool();
const CHANGES = 10;
/** Answers of 140 kB each: more than the system's buffers take, less than what ends a connection (32 MiB). */
const TASKS = 1_000;
const ANSWERS = 100;
const ANSWERS_MS = 30_000;

/** An admin's session subscribed to the workers, and the messages that it got. */
async function subscriber() {
  const peer = await pool.admin();
  const seen: DownOf<'workers'>[] = [];
  peer.onMessage = (message) => {
    if (message.type === 'workers') seen.push(message);
    return message.type === 'workers';
  };
  await peer.ask({ type: 'subscribe', topic: 'workers' });
  return { peer, seen };
}

const nameIn = (seen: readonly DownOf<'workers'>[]) => seen.flatMap(({ rows }) => rows ?? []).at(-1)?.name;
const shows = (peer: Peer, seen: readonly DownOf<'workers'>[], name: string) =>
  peer.until(() => (nameIn(seen) === name ? true : undefined), `the name ${name}`);

it('gets what changed meanwhile as one change, once it reads again', { timeout: 60_000 }, async () => {
  const { id } = await pool.worker({ name: 'before', kinds: ['other'] });
  const owner = await pool.client();
  owner.send({ type: 'submit', tasks: Array.from({ length: TASKS }, () => echoTask()) });
  await owner.waitFor('accepted');
  const [slow, quick, admin] = [await subscriber(), await subscriber(), await pool.admin()];
  await shows(slow.peer, slow.seen, 'before');
  await shows(quick.peer, quick.seen, 'before');

  slow.peer.stall();
  const list = { type: 'query', query: { what: 'tasks', limit: TASKS } } as const;
  const answers = Promise.allSettled(Array.from({ length: ANSWERS }, () => slow.peer.ask(list, ANSWERS_MS)));
  // Another's come in their turn; these are all answered once none waits.
  await admin.ask({ type: 'query', query: { what: 'history', limit: 1 } }, ANSWERS_MS);
  await eventually(() => expect(pool.coordinator.counts().queries).toBe(0), ANSWERS_MS);
  const before = quick.seen.length;
  for (let i = 1; i <= CHANGES; i++) {
    await admin.ask({ type: 'act', action: { do: 'worker.rename', worker: id, name: `name-${i}` } });
    await shows(quick.peer, quick.seen, `name-${i}`);
    slow.peer.send({ type: 'heartbeat' });
  }
  expect(quick.seen.length - before).toBeGreaterThanOrEqual(CHANGES);

  const atStall = slow.seen.length;
  slow.peer.resume();
  await shows(slow.peer, slow.seen, `name-${CHANGES}`);
  expect(slow.seen.length - atStall).toBeLessThanOrEqual(2);
  // Nothing was taken from it either: it only came late.
  expect((await answers).filter(({ status }) => status === 'fulfilled')).toHaveLength(ANSWERS);
});
