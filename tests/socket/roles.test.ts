/** Every cell of the tables role × message, × query and × action, against a live coordinator. */
import { encodeUp } from '@rma/protocol/codec';
import type { Down, Role } from '@rma/protocol/down';
import { CLOSE } from '@rma/protocol/error';
import { ACTION_ROLES, MESSAGE_ROLES, QUERY_ROLES, TOPIC_ROLES } from '@rma/protocol/role';
import type { TopicName } from '@rma/protocol/topic';
import type { Action, Query, Up, UpOf, UpType } from '@rma/protocol/up';
import { SUBPROTOCOLS, type Subprotocol } from '@rma/protocol/version';
import { describe, expect, it } from 'vitest';
import { echoTask, newTaskId, type Peer, workerHello } from '../support/peer.js';
import { usePool } from '../support/pool.js';
import { sampleActions, sampleQueries } from './sample-requests.js';

const pool = usePool();
const blob = 'ab'.repeat(32);
const task = newTaskId();

/** One valid message of each type; none of them names anything that is there. */
const MESSAGES: { readonly [T in UpType]: () => UpOf<T> } = {
  hello: () => ({ type: 'hello', protocol: 1, agent: { name: 'test', version: '0' } }),
  heartbeat: () => ({ type: 'heartbeat' }),
  submit: () => ({ type: 'submit', tasks: [echoTask()] }),
  watch: () => ({ type: 'watch', tasks: [{ task }] }),
  unwatch: () => ({ type: 'unwatch', tasks: [task] }),
  cancel: () => ({ type: 'cancel', ref: 1, task }),
  cancels: () => ({ type: 'cancels', ref: 1, tasks: [task] }),
  query: () => ({ type: 'query', ref: 1, query: { what: 'stats' } }),
  subscribe: () => ({ type: 'subscribe', ref: 1, topic: 'events' }),
  unsubscribe: () => ({ type: 'unsubscribe', topic: 'events' }),
  act: () => ({ type: 'act', ref: 1, action: { do: 'token.revoke', token: 't-none' } }),
  services: () => ({ type: 'services', services: [] }),
  sample: () => ({ type: 'sample', load: { cpu: 0.5, memoryUsedMiB: 100, gpus: [] } }),
  drain: () => ({ type: 'drain', draining: false }),
  policy: () => ({ type: 'policy', policy: { paused: false } }),
  leave: () => ({ type: 'leave' }),
  'log.lines': () => ({ type: 'log.lines', ref: 1, lines: [] }),
  progress: () => ({ type: 'progress', task, attempt: 1, fraction: 0.5 }),
  chunks: () => ({ type: 'chunks', chunks: [{ task, attempt: 1, chunk: 1, data: new Uint8Array([0xc0]) }] }),
  results: () => ({ type: 'results', results: [{ task, attempt: 1, output: new Uint8Array([0xc0]) }] }),
  'blob.put': () => ({ type: 'blob.put', stream: 1, blob, size: 1, attempt: { task, attempt: 1 } }),
  'blob.get': () => ({ type: 'blob.get', stream: 1, blob, offset: 0, credit: 0, attempt: { task, attempt: 1 } }),
  'stream.credit': () => ({ type: 'stream.credit', stream: 1, bytes: 1 }),
  'stream.end': () => ({ type: 'stream.end', stream: 1 }),
  'stream.abort': () => ({ type: 'stream.abort', stream: 1, error: { kind: 'unavailable', message: 'no' } }),
};

const TOPICS: { readonly [T in TopicName]: Omit<UpOf<'subscribe'>, 'type' | 'ref'> } = {
  events: { topic: 'events' },
  overview: { topic: 'overview' },
  workers: { topic: 'workers' },
  worker: { topic: 'worker', worker: 'w-none' },
  tasks: { topic: 'tasks' },
  join: { topic: 'join', token: 't-none' },
  recent: { topic: 'recent' },
  kinds: { topic: 'kinds' },
};

const none = { ended: task, waiting: task, worker: 'w-none', token: 't-none' };
const QUERIES = sampleQueries(none);
const ACTIONS = sampleActions(none);

const ROLES = ['admin', 'client', 'join', 'worker'] as const;
type OpenRole = (typeof ROLES)[number];

async function sessionOf(role: OpenRole, subprotocol: Subprotocol): Promise<Peer> {
  if (role === 'admin') return pool.admin({ subprotocol });
  if (role === 'client') return pool.client(undefined, { subprotocol });
  if (role === 'join') return pool.client(pool.coordinator.token('join'), { subprotocol });
  // Offers nothing, so that no test is given the task of another.
  return (await pool.worker({ services: [] }, undefined, { subprotocol })).peer;
}

/** What came in answer to it: all that stands before the answer to a message that does not exist, sent right after. */
async function answersTo(peer: Peer, message: Up): Promise<Down[]> {
  peer.inbox.length = 0;
  peer.send(message);
  peer.sendRaw(encodeUp({ type: 'mark' } as unknown as Up, peer.subprotocol));
  await peer.waitFor('error', (error) => error.error.kind === 'unknown_message');
  return peer.inbox;
}

interface Cell {
  readonly role: OpenRole;
  readonly what: string;
  readonly message: Up;
  readonly roles: readonly Role[];
}

const CELLS: readonly Cell[] = ROLES.flatMap((role): Cell[] => [
  ...(Object.keys(MESSAGE_ROLES) as UpType[])
    .filter((type) => type !== 'query' && type !== 'act' && type !== 'subscribe')
    .map((type) => ({ role, what: `'${type}'`, message: MESSAGES[type](), roles: MESSAGE_ROLES[type] })),
  ...(Object.keys(QUERY_ROLES) as Query['what'][]).map((what) => ({
    role,
    what: `the query '${what}'`,
    message: { type: 'query' as const, ref: 5, query: QUERIES[what] },
    roles: QUERY_ROLES[what],
  })),
  ...(Object.keys(TOPIC_ROLES) as TopicName[]).map((topic) => ({
    role,
    what: `'subscribe' to '${topic}'`,
    message: { type: 'subscribe' as const, ref: 7, ...TOPICS[topic] },
    roles: TOPIC_ROLES[topic],
  })),
  ...(Object.keys(ACTION_ROLES) as Action['do'][]).map((name) => ({
    role,
    what: `the action '${name}'`,
    message: { type: 'act' as const, ref: 6, action: ACTIONS[name] },
    roles: ACTION_ROLES[name],
  })),
]);

const may = CELLS.filter(({ role, roles }) => roles.includes(role));
const mayNot = CELLS.filter(({ role, roles }) => !roles.includes(role));

describe.each(SUBPROTOCOLS)('over %s', (subprotocol) => {
  it.each(may)('the role $role may send $what', async ({ role, message }) => {
    const peer = await sessionOf(role, subprotocol);
    const kinds = (await answersTo(peer, message)).flatMap((answer) =>
      answer.type === 'error' ? answer.error.kind : [],
    );
    expect(kinds.filter((kind) => kind === 'forbidden' || kind === 'invalid' || kind === 'internal')).toEqual([]);
  });

  it.each(mayNot)('the role $role may not send $what', async ({ role, what, message, roles }) => {
    const peer = await sessionOf(role, subprotocol);
    expect(await answersTo(peer, message)).toEqual([
      {
        type: 'error',
        about: message.type,
        ...('ref' in message ? { ref: message.ref } : {}),
        error: {
          kind: 'forbidden',
          message: `the role '${role}' may not send ${what}; it takes ${roles.join(' or ')}`,
        },
      },
    ]);
  });

  it.each((Object.keys(MESSAGES) as UpType[]).filter((type) => type !== 'hello'))(
    "a join token's connection may not send '%s': it has no role before its welcome",
    async (type) => {
      const peer = await pool.dial({ subprotocol });
      peer.send(MESSAGES[type]());
      expect(await peer.waitFor('error')).toMatchObject({ about: type, error: { kind: 'unauthenticated' } });
      expect(await peer.waitFor('goodbye')).toMatchObject({ reason: 'bad_frame' });
      expect(await peer.closed).toMatchObject({ code: CLOSE.bad_frame.code });
    },
  );
});

it('a join token without a worker opens a session that may look who joins, and nothing else', async () => {
  const peer = await pool.dial();
  const welcome = await peer.hello({ token: pool.coordinator.token('join') });
  expect(welcome).toMatchObject({ role: 'join' });
  expect(welcome.worker).toBeUndefined();
});

it('a first join makes the session a worker, never a join', async () => {
  const peer = await pool.dial();
  const welcome = await peer.hello({ token: pool.coordinator.token('join'), worker: workerHello({ services: [] }) });
  expect(welcome).toMatchObject({ role: 'worker', worker: { credential: expect.any(String) } });
});
