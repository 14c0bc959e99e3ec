/** Every reply of a live coordinator has the shape that the protocol's tables declare for it. */
import { ACTIONS, type ActionName } from '@rma/protocol/action';
import { Check } from '@rma/protocol/check';
import { QUERIES, type QueryName } from '@rma/protocol/query';
import { CancelReply, CancelsReply, EventsReply, TopicReply } from '@rma/protocol/reply';
import type { TSchema } from 'typebox';
import { beforeAll, expect, it } from 'vitest';
import { echoTask, type Peer } from '../support/peer.js';
import { usePool } from '../support/pool.js';
import { sampleActions, sampleQueries } from './sample-requests.js';

const pool = usePool();
const ids = { ended: '', waiting: '', worker: '', token: '' };

function expectShape(schema: TSchema, result: unknown): void {
  expect(() => new Check(schema, 'the reply').assert(result)).not.toThrow();
}

beforeAll(async () => {
  const client = await pool.client();
  const { peer, id } = await pool.worker();
  const done = echoTask();
  client.send({ type: 'submit', tasks: [done], watch: true });
  await peer.waitFor('dispatch');
  peer.send({ type: 'results', results: [{ task: done.id, attempt: 1, output: new Uint8Array([0xc0]) }] });
  await client.waitFor('ended');
  const waiting = { ...echoTask(), notBefore: Date.now() + 600_000 };
  client.send({ type: 'submit', tasks: [waiting] });
  await client.waitFor('accepted');
  const { view } = await pool.mint({ role: 'client', name: 'short-lived' });
  Object.assign(ids, { ended: done.id, waiting: waiting.id, worker: id, token: view.id });
});

/** The worker is offline between tests: this one answers for its log. */
async function answerLog(admin: Peer): Promise<unknown> {
  const { peer, id } = await pool.worker();
  const reply = admin.ask({ type: 'query', query: { what: 'log', worker: id } });
  const { ref } = await peer.waitFor('logs');
  const line = { service: 'embedded', at: '2026-11-29T12:00:00Z', stream: 'stdout' as const, text: 'ready' };
  peer.send({ type: 'log.lines', ref, lines: [line] });
  return reply;
}

it.each(Object.keys(QUERIES) as QueryName[])("to the query '%s'", async (what) => {
  const admin = await pool.admin();
  const result =
    what === 'log' ? await answerLog(admin) : await admin.ask({ type: 'query', query: sampleQueries(ids)[what] });
  expectShape(QUERIES[what].reply, result);
});

it.each(Object.keys(ACTIONS) as ActionName[])("to the action '%s'", async (name) => {
  const admin = await pool.admin();
  expectShape(ACTIONS[name].reply, await admin.ask({ type: 'act', action: sampleActions(ids)[name] }));
});

it("to 'cancel', 'cancels' and 'subscribe'", async () => {
  const admin = await pool.admin();
  expectShape(CancelReply, await admin.ask({ type: 'cancel', task: ids.waiting }));
  expectShape(CancelsReply, await admin.ask({ type: 'cancels', tasks: [ids.waiting, ids.ended] }));
  expectShape(EventsReply, await admin.ask({ type: 'subscribe', topic: 'events' }));
  expectShape(TopicReply, await admin.ask({ type: 'subscribe', topic: 'overview' }));
});
