/** Tasks over plain HTTP: `POST /api/tasks`, `GET /api/tasks/:id`, `GET /api/blobs/:hash`: a subset of the socket protocol. */
import { createHash } from 'node:crypto';
import { checkUp } from '@rma/protocol/check';
import { ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import { isBlobRef, type Payload, packPayload, unpackPayload, valueFromJson, valueToJson } from '@rma/protocol/payload';
import { isTerminal, type TaskEnd, type TaskSpec } from '@rma/protocol/task';
import { v7 } from 'uuid';
import { type BlobStore, uploaderOf } from '../blobs/blob-store.js';
import { answerQuery, type QuerySource } from '../query/query.js';
import type { HttpRequest, HttpResponse } from '../socket/transport.js';
import type { BodyTurns } from './body-turns.js';
import type { Caller } from './caller.js';
import type { HttpSessions } from './http-sessions.js';
import { json, jsonOf } from './json.js';

const MAX_WAIT_S = 60;

export interface TaskRoutes {
  readonly sessions: HttpSessions;
  readonly blobs: BlobStore;
  readonly query: QuerySource;
  /** When bodies are read. */
  readonly bodies: BodyTurns;
}

function waitMsOf(request: HttpRequest): number {
  const wait = new URLSearchParams(request.query).get('wait');
  if (wait === null) return 0;
  const seconds = Number(wait);
  if (!Number.isFinite(seconds) || seconds < 0 || seconds > MAX_WAIT_S) {
    throw new ProtocolError('invalid', `wait is from 0 to ${MAX_WAIT_S} seconds`, '?wait', `0 to ${MAX_WAIT_S}`);
  }
  return seconds * 1_000;
}

export async function postTask(routes: TaskRoutes, caller: Caller, request: HttpRequest): Promise<HttpResponse> {
  const waitMs = waitMsOf(request);
  const body = await routes.bodies.read(caller.asker, request);
  const given = jsonOf(body, 'an object such as {"kind": "echo", "input": {}}');
  const { payload, blobs } = await inputOf(routes, caller, given.input);
  const task = { ...given, id: given.id ?? v7(), input: payload, ...(blobs.length > 0 ? { blobs } : {}) };
  const message = checkUp({ type: 'submit', tasks: [task] });
  if (message.type !== 'submit') throw new Error('not a submit');
  const spec = message.tasks[0] as TaskSpec;
  const end = await routes.sessions.submit(caller, spec, waitMs, request.signal);
  if (!end) return json(202, { id: spec.id, state: 'accepted' }, { location: `/api/tasks/${spec.id}` });
  return json(200, await endToJson(routes, caller, end, spec.kind));
}

export async function getTask(
  routes: TaskRoutes,
  caller: Caller,
  request: HttpRequest,
  id: string,
): Promise<HttpResponse> {
  const waitMs = waitMsOf(request);
  const detail = await answerQuery(routes.query, caller.asker, caller, { what: 'task', task: id });
  if (waitMs > 0 && !isTerminal(detail.state)) {
    const end = await routes.sessions.watch(caller, id, waitMs, request.signal);
    if (end) return json(200, await endToJson(routes, caller, end, detail.kind));
  }
  const output = detail.state === 'succeeded' ? await routes.query.reader.as(caller.asker).output(id) : null;
  return json(200, {
    ...detail,
    ...(output === null ? {} : { output: await outputToJson(routes, detail.owner, output) }),
  });
}

export async function getBlob(routes: TaskRoutes, caller: Caller, blob: string): Promise<HttpResponse> {
  const found = await routes.blobs.find(caller.subject, blob);
  if (!found) throw new ProtocolError('not_found', `there is no blob ${blob}`);
  return {
    status: 200,
    headers: { 'content-type': 'application/octet-stream', 'cache-control': 'private, immutable' },
    async body(stream) {
      const file = await routes.blobs.open(blob);
      try {
        for await (const part of file.createReadStream({ highWaterMark: 65_536 })) {
          if (!stream.write(part as Uint8Array)) await stream.drained();
        }
      } finally {
        await file.close();
      }
      stream.end();
    },
  };
}

/** The input as a payload; one above the inline limit goes into the blob store. */
async function inputOf(
  routes: TaskRoutes,
  caller: Caller,
  input: unknown,
): Promise<{ payload: Payload; blobs: string[] }> {
  const packed = packPayload(valueFromJson(input ?? null));
  if (packed.length <= LIMITS.maxInlineBytes) return { payload: packed, blobs: [] };
  const blob = createHash('sha256').update(packed).digest('hex');
  const scope = { owner: caller.subject, uploader: uploaderOf('subject', caller.subject), attempt: '' };
  if (!(await routes.blobs.hold(scope, blob))) {
    const upload = await routes.blobs.upload(scope, blob, packed.length);
    await upload.write(packed.subarray(upload.offset));
    await upload.end();
  }
  return { payload: packPayload({ $blob: blob, size: packed.length, as: 'msgpack' }), blobs: [blob] };
}

async function outputToJson(routes: TaskRoutes, owner: string, output: Payload): Promise<unknown> {
  const value = unpackPayload(output);
  if (!isBlobRef(value) || value.as === 'bytes' || !(await routes.blobs.find(owner, value.$blob)))
    return valueToJson(value);
  const file = await routes.blobs.open(value.$blob);
  try {
    const bytes = await file.readFile();
    return value.as === 'json' ? JSON.parse(bytes.toString('utf8')) : valueToJson(unpackPayload(bytes));
  } finally {
    await file.close();
  }
}

async function endToJson(routes: TaskRoutes, caller: Caller, end: TaskEnd, kind: string): Promise<unknown> {
  const { task, output, ...rest } = end;
  const owner = (await routes.query.reader.as(caller.asker).task(task))?.task.owner ?? '';
  return { id: task, kind, ...rest, ...(output ? { output: await outputToJson(routes, owner, output) } : {}) };
}
