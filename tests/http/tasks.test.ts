/** Tasks over plain HTTP, with a client token. */
import { createHash } from 'node:crypto';
import { packPayload, unpackPayload } from '@rma/protocol/payload';
import { describe, expect, it } from 'vitest';
import { newTaskId } from '../support/peer.js';
import { eventually, usePool } from '../support/pool.js';

const pool = usePool();

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown> & { error?: { kind: string; message: string; path?: string }; id?: string };
}

async function call(
  method: string,
  path: string,
  body?: unknown,
  token = pool.coordinator.token('client'),
): Promise<Answer> {
  const answer = await fetch(`${pool.coordinator.http}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Answer['body'] };
}

/** A worker that answers each task with `{ echoed: input }`. */
async function echoWorker(kind: string): Promise<void> {
  const { peer } = await pool.worker({ kinds: [kind], slots: 8 });
  peer.onMessage = (message) => {
    if (message.type !== 'dispatch') return false;
    for (const { task, attempt, input } of message.tasks) {
      const output = packPayload({ echoed: unpackPayload(input) });
      peer.send({ type: 'results', results: [{ task, attempt, output }] });
    }
    return true;
  };
}

describe('POST /api/tasks', () => {
  it('accepts a task, answers with its location, and has its end there', async () => {
    await echoWorker('http.one');
    const { status, headers, body } = await call('POST', '/api/tasks', { kind: 'http.one', input: { n: 1 } });
    expect(status).toBe(202);
    expect(body).toEqual({ id: expect.stringMatching(/^[0-9a-f-]{36}$/), state: 'accepted' });
    expect(headers.get('location')).toBe(`/api/tasks/${body.id}`);
    const end = await call('GET', `/api/tasks/${body.id}?wait=10`);
    expect(end).toMatchObject({
      status: 200,
      body: { id: body.id, kind: 'http.one', state: 'succeeded', output: { echoed: { n: 1 } } },
    });
    expect((await call('GET', `/api/tasks/${body.id}`)).body).toMatchObject({
      state: 'succeeded',
      output: { echoed: { n: 1 } },
    });
  });

  it('waits for the end when asked to, and no longer than asked', async () => {
    await echoWorker('http.wait');
    const input = { text: 'é', bytes: { $bytes: Buffer.from([0, 255]).toString('base64') } };
    const { status, body } = await call('POST', '/api/tasks?wait=10', { kind: 'http.wait', input });
    expect(status).toBe(200);
    expect(body).toMatchObject({ kind: 'http.wait', state: 'succeeded', output: { echoed: input }, attempts: 1 });
    const late = await call('POST', '/api/tasks?wait=0.1', { kind: 'echo', input: null });
    expect(late).toMatchObject({ status: 202, body: { state: 'accepted' } });
    const admin = await pool.admin();
    await admin.ask({ type: 'cancel', task: late.body.id ?? '' });
  });

  it('takes an id, a repeated submit of the same, and refuses other content under it', async () => {
    const id = newTaskId();
    const task = { id, kind: 'echo', input: 'same', constraints: { labels: { nowhere: 'yes' } } };
    expect((await call('POST', '/api/tasks', task)).body.id).toBe(id);
    expect((await call('POST', '/api/tasks', task)).status).toBe(202);
    expect(await call('POST', '/api/tasks', { ...task, input: 'other' })).toMatchObject({
      status: 409,
      body: { error: { kind: 'conflict' } },
    });
    const { body } = await call('GET', `/api/tasks/${id}`);
    expect(body).toMatchObject({ state: 'queued', waiting: expect.any(String), constraints: task.constraints });
    const admin = await pool.admin();
    await admin.ask({ type: 'cancel', task: id });
    expect((await call('GET', `/api/tasks/${id}?wait=5`)).body).toMatchObject({
      state: 'cancelled',
      error: { code: 'cancelled' },
    });
  });

  it('makes a blob of an input above 64 KiB, which the worker reads; a large output comes back whole', async () => {
    const { peer } = await pool.worker({ kinds: ['http.big'] });
    const input = { text: 'x'.repeat(200_000) };
    const posted = call('POST', '/api/tasks?wait=10', { kind: 'http.big', input });
    const [dispatch] = (await peer.waitFor('dispatch')).tasks;
    const attempt = { task: dispatch?.task ?? '', attempt: 1 };
    const blob = dispatch?.blobs?.[0] ?? '';
    expect(unpackPayload(dispatch?.input ?? new Uint8Array())).toMatchObject({ $blob: blob, as: 'msgpack' });
    peer.send({ type: 'blob.get', stream: 1, blob, offset: 0, credit: 1_000_000, attempt });
    await peer.waitFor('stream.end');
    const bytes = Buffer.concat(peer.data.map((frame) => frame.bytes));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(blob);
    expect(unpackPayload(bytes)).toEqual(input);

    // The output by the same way, as the same blob.
    peer.send({ type: 'blob.put', stream: 2, blob, size: bytes.length, attempt });
    await peer.waitFor('blob.stored');
    const output = packPayload({ $blob: blob, size: bytes.length, as: 'msgpack' });
    peer.send({ type: 'results', results: [{ ...attempt, output, blobs: [blob] }] });
    expect(await posted).toMatchObject({ status: 200, body: { state: 'succeeded', output: input } });
    const raw = await fetch(`${pool.coordinator.http}/api/blobs/${blob}`, {
      headers: { authorization: `Bearer ${pool.coordinator.token('client')}` },
    });
    expect(Buffer.from(await raw.arrayBuffer()).equals(bytes)).toBe(true);
    const { token } = await pool.mint({ role: 'client', name: 'http-stranger' });
    const stranger = await fetch(`${pool.coordinator.http}/api/blobs/${blob}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(stranger.status).toBe(404);
    await stranger.body?.cancel();
  });

  it.each<[string, unknown, number, string, RegExp]>([
    ['what is no JSON', '{"kind":', 400, 'invalid', /not JSON/],
    ['a body that is no text', Buffer.from([0xff, 0xfe]).toString('latin1'), 400, 'invalid', /not JSON/],
    ['nothing', '', 400, 'invalid', /not JSON/],
    ['a list', [1], 400, 'invalid', /must be an object/],
    ['null', 'null', 400, 'invalid', /must be an object/],
    ['no kind', { input: 1 }, 400, 'invalid', /kind/],
    ['a kind that is no kind', { kind: 'Not A Kind' }, 400, 'invalid', /\/kind/],
    ['an unknown kind', { kind: 'ocr.raed' }, 422, 'unknown_kind', /ocr\.read/],
    ['a priority beyond its bounds', { kind: 'echo', priority: 1_000 }, 400, 'invalid', /priority/],
    ['an id that is none', { kind: 'echo', id: 'seven' }, 400, 'invalid', /\/id/],
    ['a worker that is not there', { kind: 'echo', constraints: { worker: 'w-none' } }, 422, 'unservable', /w-none/],
    ['bytes that are not base64', { kind: 'echo', input: { $bytes: '***' } }, 400, 'invalid', /base64/],
    [
      'an input nested too deep',
      `{"kind":"echo","input":${'['.repeat(100)}${']'.repeat(100)}}`,
      400,
      'invalid',
      /deep/,
    ],
  ])('refuses %s', async (_, body, status, kind, message) => {
    const answer = await call('POST', '/api/tasks', body);
    expect(answer).toMatchObject({ status, body: { error: { kind, message: expect.stringMatching(message) } } });
  });

  it('ignores fields that it does not know', async () => {
    const { status, body } = await call('POST', '/api/tasks', {
      kind: 'echo',
      colour: 'blue',
      constraints: { labels: { no: 'where' } },
    });
    expect(status).toBe(202);
    const admin = await pool.admin();
    await admin.ask({ type: 'cancel', task: body.id ?? '' });
  });

  it.each(['-1', '61', 'soon', 'NaN', '1e9'])('refuses wait=%s', async (wait) => {
    expect(await call('POST', `/api/tasks?wait=${wait}`, { kind: 'echo' })).toMatchObject({
      status: 400,
      body: { error: { kind: 'invalid', path: '?wait' } },
    });
  });

  it('refuses a body above 8 MiB and names the remedy', async () => {
    const answer = await call('POST', '/api/tasks', `{"kind":"echo","input":"${'x'.repeat(8 * 1_048_576)}"}`);
    expect(answer).toMatchObject({
      status: 413,
      body: { error: { kind: 'too_large', message: expect.stringContaining('rma submit') } },
    });
  });

  it('takes client and admin tokens and no others', async () => {
    for (const [token, status] of [
      ['', 401],
      ['nonsense', 401],
      [pool.coordinator.token('join'), 403],
    ] as const) {
      expect((await call('POST', '/api/tasks', { kind: 'echo' }, token)).status).toBe(status);
    }
    expect((await call('POST', '/api/tasks', { kind: 'no.such' }, pool.coordinator.token('admin'))).status).toBe(422);
  });
});

describe('GET /api/tasks/:id', () => {
  it("does not find unknown tasks, nor another owner's; an admin sees all", async () => {
    const { body } = await call('POST', '/api/tasks', { kind: 'echo', constraints: { labels: { no: 'where' } } });
    const { token } = await pool.mint({ role: 'client', name: 'another' });
    expect((await call('GET', `/api/tasks/${body.id}`, undefined, token)).status).toBe(404);
    expect((await call('GET', `/api/tasks/${body.id}?wait=1`, undefined, token)).status).toBe(404);
    expect((await call('GET', `/api/tasks/${body.id}`, undefined, pool.coordinator.token('admin'))).status).toBe(200);
    for (const id of [newTaskId(), 'seven', '%00', "'%20OR%201=1", '%2e%2e']) {
      expect((await call('GET', `/api/tasks/${id}`)).status).toBe(404);
    }
    const admin = await pool.admin();
    await admin.ask({ type: 'cancel', task: body.id ?? '' });
  });

  it('releases the session of a caller that disconnects while it waits', async () => {
    const { body } = await call('POST', '/api/tasks', { kind: 'echo', constraints: { labels: { no: 'where' } } });
    const hangUp = new AbortController();
    const waiting = fetch(`${pool.coordinator.http}/api/tasks/${body.id}?wait=60`, {
      signal: hangUp.signal,
      headers: { authorization: `Bearer ${pool.coordinator.token('client')}` },
    });
    await eventually(() => expect(pool.coordinator.counts()).toMatchObject({ httpSessions: 1, watchers: 1 }));
    hangUp.abort();
    await expect(waiting).rejects.toThrow();
    await eventually(() => expect(pool.coordinator.counts()).toMatchObject({ httpSessions: 0, watchers: 0 }));
    const admin = await pool.admin();
    await admin.ask({ type: 'cancel', task: body.id ?? '' });
  });
});
