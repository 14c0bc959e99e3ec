/** Invalid messages: their answer, the limit at which the connection closes, and that other sessions are not affected. */

import { CLOSE } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import { packPayload } from '@rma/protocol/payload';
import type { Up } from '@rma/protocol/up';
import { SUBPROTOCOLS } from '@rma/protocol/version';
import { DEFAULT_SOCKET_SETTINGS } from '@rma/server/socket/connections';
import { describe, expect, it } from 'vitest';
import { echoTask, newTaskId, Peer } from '../support/peer.js';
import { usePool } from '../support/pool.js';

const asUp = (message: object) => message as Up;

describe('an invalid message', () => {
  const pool = usePool();

  it.each(SUBPROTOCOLS)(
    'over %s is answered with the path and what was expected, and the session goes on',
    async (subprotocol) => {
      const peer = await pool.client(undefined, { subprotocol });
      const task = echoTask();
      const faults: [object, object][] = [
        [{ type: 'mark' }, { kind: 'unknown_message', path: '/type' }],
        [{ type: 'submit' }, { kind: 'invalid', path: '' }],
        [
          { type: 'submit', tasks: [] },
          { kind: 'invalid', path: '/tasks' },
        ],
        [
          { type: 'submit', tasks: [{ ...task, id: 'seven' }] },
          { kind: 'invalid', path: '/tasks/0/id' },
        ],
        [
          { type: 'submit', tasks: [{ ...task, priority: 101 }] },
          { kind: 'invalid', path: '/tasks/0/priority' },
        ],
        [
          { type: 'submit', tasks: [{ ...task, kind: 'Not A Kind' }] },
          { kind: 'invalid', path: '/tasks/0/kind' },
        ],
        [
          { type: 'query', ref: 3, query: { what: 'weather' } },
          { kind: 'invalid', path: expect.stringContaining('/query') },
        ],
        [
          { type: 'query', ref: 0, query: { what: 'stats' } },
          { kind: 'invalid', path: '/ref' },
        ],
      ];
      for (const [message, error] of faults) {
        peer.send(asUp(message));
        expect((await peer.waitFor('error')).error).toMatchObject({ ...error, message: expect.any(String) });
      }
      expect(await peer.ask({ type: 'query', query: { what: 'tasks' } })).toEqual([]);
    },
  );

  it('takes nothing of a submit of which one task is malformed', async () => {
    const peer = await pool.client();
    const good = echoTask();
    peer.send(asUp({ type: 'submit', tasks: [good, { ...good, id: newTaskId(), kind: '' }] }));
    expect(await peer.waitFor('error')).toMatchObject({ about: 'submit', error: { path: '/tasks/1/kind' } });
    await expect(peer.ask({ type: 'query', query: { what: 'task', task: good.id } })).rejects.toThrow('not_found');
  });

  // JSON peers are given the value, so whatever is stored must be one: a bad input once took the coordinator down.
  it.each<[string, string]>([
    ['bytes that follow a value', 'c0c0'],
    ['no value at all', ''],
    ['a value that is cut', 'a56865'],
    ['an extension type', 'd40500'],
    ['the byte that MessagePack never uses', 'c1'],
    ['a value nested 65 deep', `${'91'.repeat(65)}c0`],
  ])('refuses a payload that is not one plain MessagePack value: %s', async (_, hex) => {
    const kind = `payload.${hex.length}`;
    const client = await pool.client();
    const { peer: worker } = await pool.worker({ kinds: [kind] });
    const bad = new Uint8Array(Buffer.from(hex, 'hex'));
    client.send({ type: 'submit', tasks: [echoTask(1, { kind }), { ...echoTask(), kind, input: bad }] });
    const { error } = await client.waitFor('error', ({ about }) => about === 'submit');
    expect(error).toMatchObject({
      kind: 'invalid',
      path: '/tasks/1/input',
      message: expect.stringContaining('MessagePack'),
    });
    const task = echoTask(2, { kind });
    client.send({ type: 'submit', tasks: [task], watch: true });
    await worker.waitFor('dispatch');
    const attempt = { task: task.id, attempt: 1 };
    worker.send({ type: 'chunks', chunks: [{ ...attempt, chunk: 1, data: bad }] });
    expect((await worker.waitFor('error')).error).toMatchObject({ kind: 'invalid', path: '/chunks/0/data' });
    worker.send({ type: 'results', results: [{ ...attempt, output: bad }] });
    expect((await worker.waitFor('error')).error).toMatchObject({ kind: 'invalid', path: '/results/0/output' });
    worker.send({ type: 'results', results: [{ ...attempt, output: packPayload('good') }] });
    expect((await client.waitFor('ended')).tasks).toMatchObject([{ task: task.id, state: 'succeeded' }]);
  });

  it('gives a JSON peer what it can of a value that JSON lacks', async () => {
    const client = await pool.client(undefined, { subprotocol: 'rma.v1.json' });
    const { peer: worker } = await pool.worker({ kinds: ['payload.odd'] });
    const task = echoTask(2, { kind: 'payload.odd' });
    client.send({ type: 'submit', tasks: [task], watch: true });
    await worker.waitFor('dispatch');
    // A timestamp beyond every date, one that is a date, and a number that is none.
    const output = new Uint8Array(Buffer.from('93c70cff000000007fffffffffffffffd6ff00000001cb7ff8000000000000', 'hex'));
    worker.send({ type: 'results', results: [{ task: task.id, attempt: 1, output }] });
    expect((await client.waitFor('ended')).tasks[0]?.output).toEqual(
      packPayload([null, '1970-01-01T00:00:01.000Z', null]),
    );
  });

  it('ten times within 10 s closes the session with bad_frame', async () => {
    const peer = await pool.client();
    for (let i = 0; i < 10; i++) peer.sendRaw(Buffer.from([0x81, 0xa1]));
    expect(await peer.closed).toEqual({ code: CLOSE.bad_frame.code, reason: 'bad_frame' });
    expect(peer.inbox.filter(({ type }) => type === 'error')).toHaveLength(10);
    expect(peer.inbox.at(-1)).toMatchObject({ type: 'goodbye', reason: 'bad_frame' });
  });

  it('that the role forbids closes with forbidden', async () => {
    const peer = await pool.client();
    for (let i = 0; i < 10; i++) peer.send({ type: 'act', ref: i + 1, action: { do: 'token.revoke', token: 't' } });
    expect(await peer.closed).toEqual({ code: CLOSE.forbidden.code, reason: 'forbidden' });
    expect(peer.inbox.at(0)).toMatchObject({ type: 'error', ref: 1, error: { kind: 'forbidden' } });
  });

  it('for what is not there counts for nothing: asking is no offence', async () => {
    const peer = await pool.client();
    for (let i = 0; i < 30; i++) {
      await expect(peer.ask({ type: 'query', query: { what: 'task', task: newTaskId() } })).rejects.toThrow(
        'not_found',
      );
    }
    expect(await peer.ask({ type: 'query', query: { what: 'tasks' } })).toEqual(expect.any(Array));
  });

  it.each(SUBPROTOCOLS)('over %s: a frame above 1 MiB closes with 1009 and the limit', async (subprotocol) => {
    const peer = await pool.client(undefined, { subprotocol });
    peer.sendRaw(
      subprotocol.endsWith('json') ? ' '.repeat(LIMITS.maxFrameBytes + 1) : Buffer.alloc(LIMITS.maxFrameBytes + 1),
    );
    const { code, reason } = await peer.closed;
    expect(code).toBe(CLOSE.frame_too_large.code);
    expect(reason).toContain(String(LIMITS.maxFrameBytes));
  });

  it('refuses an input that is too large to go inline, and names the limit', async () => {
    const peer = await pool.client();
    const task = echoTask('x'.repeat(LIMITS.maxInlineBytes));
    peer.send({ type: 'submit', tasks: [task] });
    expect((await peer.waitFor('refused')).tasks[0]?.error).toMatchObject({
      kind: 'too_large',
      message: expect.stringContaining('maxInlineBytes'),
    });
  });

  it.each<[string, object, string, RegExp]>([
    ['an unknown kind', { kind: 'ocr.reed' }, 'unknown_kind', /did you mean ocr\.read/],
    [
      'a worker that is not in the pool',
      { constraints: { worker: 'w-nobody' } },
      'unservable',
      /w-nobody.*rma workers/,
    ],
    ['a blob that was never uploaded', { blobs: ['ab'.repeat(32)] }, 'not_found', /upload it before/],
    ['an id that is too old', { id: '01860000-0000-7000-8000-000000000000' }, 'invalid', /older than ids may be/],
    ['an id from the future', { id: '02ffffff-0000-7000-8000-000000000000' }, 'invalid', /future/],
  ])('refuses a task with %s', async (_, change, kind, message) => {
    const peer = await pool.client();
    const task = { ...echoTask(), ...change };
    peer.send({ type: 'submit', tasks: [task] });
    expect((await peer.waitFor('refused')).tasks).toMatchObject([
      { task: task.id, error: { kind, message: expect.stringMatching(message) } },
    ]);
  });

  it('takes the good tasks of a submit and refuses the others, each once', async () => {
    const peer = await pool.client();
    const tasks = [echoTask(1), { ...echoTask(2), kind: 'no.such' }, echoTask(3)];
    peer.send({ type: 'submit', tasks });
    expect((await peer.waitFor('accepted')).tasks).toEqual([tasks[0]?.id, tasks[2]?.id]);
    expect((await peer.waitFor('refused')).tasks).toMatchObject([{ task: tasks[1]?.id }]);
    peer.send({ type: 'submit', tasks: [{ ...echoTask(4), id: tasks[0]?.id ?? '' }] });
    expect((await peer.waitFor('refused')).tasks[0]?.error.kind).toBe('conflict');
    peer.send({ type: 'submit', tasks: [tasks[0] ?? echoTask()] });
    expect((await peer.waitFor('accepted')).tasks).toEqual([tasks[0]?.id]);
    for (const { id } of [tasks[0], tasks[2]].filter((task) => task !== undefined)) {
      await peer.ask({ type: 'cancel', task: id });
    }
  });

  it('in text on a MessagePack connection, and bytes on a JSON one, are taken for what they are', async () => {
    const binary = await pool.client();
    binary.sendRaw('{"type":"query","ref":9,"query":{"what":"tasks","limit":1}}');
    expect(await binary.reply(9)).toHaveLength(1);
    const text = await pool.client(undefined, { subprotocol: 'rma.v1.json' });
    text.sendRaw(packPayload({ type: 'query', ref: 9, query: { what: 'tasks', limit: 1 } }));
    expect(await text.reply(9)).toHaveLength(1);
  });
});

describe('too many messages', () => {
  const pool = usePool({ socket: { ...DEFAULT_SOCKET_SETTINGS, messagesPerSecond: 50, messageBurst: 100 } });

  it('close with rate_limited and the limit, and another connection is not touched', async () => {
    const peer = await pool.client();
    const other = await pool.client();
    for (let i = 0; i < 200; i++) peer.send({ type: 'heartbeat' });
    const { error } = await peer.waitFor('error');
    expect(error).toMatchObject({ kind: 'rate_limited', message: expect.stringContaining('messagesPerSecond') });
    expect(await peer.waitFor('goodbye')).toMatchObject({ reason: 'rate_limited', reconnectAfterMs: 1_000 });
    expect(await peer.closed).toEqual({ code: CLOSE.rate_limited.code, reason: 'rate_limited' });
    expect(await other.ask({ type: 'query', query: { what: 'tasks' } })).toEqual([]);
  });
});

describe.concurrent('silence', () => {
  const pool = usePool();

  it('of 8 s closes the connection; heartbeats come every 3 s until then', { timeout: 20_000 }, async () => {
    const startedAt = performance.now();
    const silent = await Peer.client(pool.url, pool.coordinator.token('client'), { heartbeats: false });
    const lively = await Peer.client(pool.url, pool.coordinator.token('client'));
    const closed = await silent.closed;
    const passed = performance.now() - startedAt;
    expect(silent.inbox).toMatchObject([{ type: 'goodbye', reason: 'silent' }]);
    expect(closed).toEqual({ code: CLOSE.silent.code, reason: 'silent' });
    expect(passed).toBeGreaterThan(7_900);
    expect(passed).toBeLessThan(10_500);
    expect(silent.heartbeats).toBe(2);
    expect(lively.heartbeats).toBeGreaterThanOrEqual(2);
    await lively.close();
  });
});
