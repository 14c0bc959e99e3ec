/** Following what happens: live, from any number on, over a restart, and only what the subject may see. */
import type { PoolEvent } from '@rma/protocol/event';
import { SUBPROTOCOLS } from '@rma/protocol/version';
import { describe, expect, it } from 'vitest';
import { echoTask, type Peer } from '../support/peer.js';
import { eventually, Pool, usePool } from '../support/pool.js';

/** Takes the events that have come out of the inbox. */
function taken(peer: Peer): PoolEvent[] {
  const events = peer.inbox.flatMap((message) => (message.type === 'events' ? message.events : []));
  const rest = peer.inbox.filter(({ type }) => type !== 'events');
  peer.inbox.splice(0, peer.inbox.length, ...rest);
  return events;
}

/** Collects events until one fits. */
async function follow(peer: Peer, last: (event: PoolEvent) => boolean): Promise<PoolEvent[]> {
  const events: PoolEvent[] = [];
  await peer.until(() => {
    events.push(...taken(peer));
    return events.some(last) ? true : undefined;
  }, 'the last event');
  return events;
}

const subscribe = (peer: Peer, since?: number) =>
  peer.ask({ type: 'subscribe', topic: 'events', ...(since === undefined ? {} : { since }) }) as Promise<{
    last: number;
  }>;
const numbers = (events: readonly PoolEvent[]) => events.map(({ seq }) => seq);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

async function submitAndCancel(client: Peer, n: number): Promise<string[]> {
  const tasks = Array.from({ length: n }, () => echoTask(1, { constraints: { labels: { nowhere: 'yes' } } }));
  client.send({ type: 'submit', tasks });
  for (const { id } of tasks) await client.ask({ type: 'cancel', task: id });
  return tasks.map(({ id }) => id);
}

describe.each(SUBPROTOCOLS)('over %s', (subprotocol) => {
  const pool = usePool();

  it('an admin sees all of it, without a gap, from any number on', async () => {
    const live = await pool.admin({ subprotocol });
    const { last } = await subscribe(live);
    const client = await pool.client();
    const ids = await submitAndCancel(client, 20);
    const ended = (event: PoolEvent) => event.type === 'task.ended' && event.subject === ids.at(-1);
    const seen = await follow(live, ended);
    expect(numbers(seen)).toEqual(range(last + 1, last + 40));
    expect(seen.filter(({ type }) => type === 'task.submitted').map(({ subject }) => subject)).toEqual(ids);
    expect(seen.find(({ type }) => type === 'task.submitted')).toMatchObject({ data: { kind: 'echo', priority: 0 } });
    expect(seen.find(({ type }) => type === 'task.ended')).toMatchObject({
      data: { state: 'cancelled', code: 'cancelled' },
    });

    const past = await pool.admin({ subprotocol });
    await subscribe(past, 0);
    expect(numbers(await follow(past, ended))).toEqual(range(1, last + 40));
    const middle = await pool.admin({ subprotocol });
    await subscribe(middle, last + 35);
    expect(numbers(await follow(middle, ended))).toEqual(range(last + 36, last + 40));
  });

  it('who begins in the past joins the present without a gap or a doubled event', async () => {
    const client = await pool.client();
    await submitAndCancel(client, 100);
    const admin = await pool.admin({ subprotocol });
    // Events go on while the past is read.
    const busy = submitAndCancel(client, 60);
    await subscribe(admin, 0);
    const ids = await busy;
    const seen = await follow(admin, (event) => event.type === 'task.ended' && event.subject === ids.at(-1));
    expect(numbers(seen)).toEqual(range(1, seen.at(-1)?.seq ?? 0));
  });

  it('a client sees its own tasks and the coming and going of workers, nothing else', async () => {
    const { token } = await pool.mint({ role: 'client', name: 'somebody-else' });
    const watching = await pool.client(token, { subprotocol });
    await subscribe(watching, 0);
    const other = await pool.client();
    const foreign = await submitAndCancel(other, 3);
    const own = await submitAndCancel(watching, 2);
    const { peer: worker, id } = await pool.worker({ kinds: ['event.kind'] });
    await worker.close();
    const seen = await follow(watching, ({ type, subject }) => type === 'worker.offline' && subject === id);
    const received = JSON.stringify(seen);
    for (const task of foreign) expect(received).not.toContain(task);
    for (const task of own) expect(seen.filter(({ subject }) => subject === task)).toHaveLength(2);
    expect(new Set(seen.filter(({ type }) => !type.startsWith('task.')).map(({ type }) => type))).toEqual(
      new Set(['worker.online', 'service.changed', 'worker.offline']),
    );
    const { events } = (await watching.ask({ type: 'query', query: { what: 'events', since: 0, limit: 1_000 } })) as {
      events: PoolEvent[];
    };
    expect(numbers(events)).toEqual(numbers(seen));
  });

  it('ends with unsubscribe, and begins anew with the next subscribe', async () => {
    const admin = await pool.admin({ subprotocol });
    await subscribe(admin);
    admin.send({ type: 'unsubscribe', topic: 'events' });
    const client = await pool.client();
    await submitAndCancel(client, 1);
    const { last } = await subscribe(admin);
    expect(taken(admin)).toEqual([]);
    await submitAndCancel(client, 1);
    expect(numbers(await follow(admin, ({ type }) => type === 'task.ended'))).toEqual([last + 1, last + 2]);
  });

  it('from a number that is not there yet is refused with the last one', async () => {
    const admin = await pool.admin({ subprotocol });
    await expect(subscribe(admin, 1_000_000)).rejects.toThrow(/^invalid: .*the last is \d+/);
  });
});

it('a subscriber resumes over a restart of the coordinator: every number once', async () => {
  const pool = new Pool();
  await pool.start();
  try {
    const seen: number[] = [];
    for (let round = 0; round < 3; round++) {
      const admin = await pool.admin();
      await subscribe(admin, seen.at(-1) ?? 0);
      const client = await pool.client();
      const ids = await submitAndCancel(client, 10);
      const events = await follow(admin, (event) => event.type === 'task.ended' && event.subject === ids.at(-1));
      seen.push(...numbers(events));
      await pool.settle();
      await pool.restart();
    }
    const admin = await pool.admin();
    await subscribe(admin, seen.at(-1) ?? 0);
    const rest = await follow(admin, ({ type, seq }) => type === 'coordinator.started' && seq > (seen.at(-1) ?? 0));
    seen.push(...numbers(rest));
    expect(seen).toEqual(range(1, seen.length));
    expect(rest.map(({ type }) => type)).toEqual(['coordinator.stopped', 'coordinator.started']);
    await pool.settle();
  } finally {
    await pool.dispose();
  }
});

it('events are pruned by number; who asks for what is gone gets what is kept', async () => {
  const pool = new Pool();
  await pool.start({ eventsKept: 50 });
  try {
    const client = await pool.client();
    await submitAndCancel(client, 200);
    const admin = await pool.admin();
    await eventually(async () => {
      const query = { what: 'events', since: 0, limit: 1_000 } as const;
      const { events, last } = (await admin.ask({ type: 'query', query })) as { events: PoolEvent[]; last: number };
      expect(events.length).toBeLessThan(200);
      expect(numbers(events)).toEqual(range(last - events.length + 1, last));
    }, 25_000);
    await subscribe(admin, 0);
    const ids = await submitAndCancel(client, 1);
    const seen = await follow(admin, (event) => event.type === 'task.ended' && event.subject === ids.at(-1));
    expect(numbers(seen)).toEqual(range(seen.at(0)?.seq ?? 0, seen.at(-1)?.seq ?? 0));
    await pool.settle();
  } finally {
    await pool.dispose();
  }
});
