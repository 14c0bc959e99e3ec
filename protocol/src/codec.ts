/**
 * Frames to messages and back, for both subprotocols. MessagePack frames are plain maps; JSON frames carry the same
 * names, with payload fields as plain values. What comes out of `decode` is not yet checked: see check.ts.
 */
import type { Down } from './down.js';
import { ProtocolError } from './error.js';
import { LIMITS } from './limits.js';
import { packPayload, packr, unpackPayload, unpackr, valueFromJson, valueToJson } from './payload.js';
import { assertPlainMsgpack } from './plain-msgpack.js';
import type { Up } from './up.js';
import { SUBPROTOCOL_JSON, type Subprotocol } from './version.js';

type Json = { [key: string]: unknown };
type Convert = (value: unknown) => unknown;

interface PayloadPlace {
  /** The list of the message whose items hold a payload, and the field of an item that does. */
  readonly list: string;
  readonly field: string;
}

/**
 * Where messages hold payloads, by type. tests/protocol/codec.test.ts holds this against the schemas: importing those
 * here would put every message that goes up into a browser's bundle.
 */
export const PAYLOADS: Readonly<Record<'up' | 'down', ReadonlyMap<string, PayloadPlace>>> = {
  up: new Map([
    ['submit', { list: 'tasks', field: 'input' }],
    ['chunks', { list: 'chunks', field: 'data' }],
    ['results', { list: 'results', field: 'output' }],
  ]),
  down: new Map([
    ['dispatch', { list: 'tasks', field: 'input' }],
    ['chunks', { list: 'chunks', field: 'data' }],
    ['ended', { list: 'tasks', field: 'output' }],
  ]),
};

function convertPayloads(message: Json, { list, field }: PayloadPlace, convert: Convert): Json {
  const items = message[list];
  if (!Array.isArray(items)) return message;
  const converted = items.map((item: unknown) =>
    isJson(item) && item[field] !== undefined ? { ...item, [field]: convert(item[field]) } : item,
  );
  return { ...message, [list]: converted };
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

const toJsonPayload: Convert = (payload) => valueToJson(unpackPayload(payload as Uint8Array));
const fromJsonPayload: Convert = (value) => packPayload(valueFromJson(value));

function encode(direction: 'up' | 'down', message: Up | Down, subprotocol: Subprotocol): Uint8Array | string {
  if (subprotocol !== SUBPROTOCOL_JSON) return packr.pack(message);
  const place = PAYLOADS[direction].get(message.type);
  return JSON.stringify(place ? convertPayloads(message as Json, place, toJsonPayload) : valueToJson(message));
}

function decode(direction: 'up' | 'down', frame: Uint8Array | string): unknown {
  const message = typeof frame === 'string' ? parseJson(frame) : unpack(frame);
  if (!isJson(message)) throw new ProtocolError('invalid', 'a message is a map', '', 'a map with a `type`');
  if (typeof frame !== 'string') return message;
  const place = typeof message.type === 'string' ? PAYLOADS[direction].get(message.type) : undefined;
  return place ? convertPayloads(message, place, fromJsonPayload) : message;
}

function parseJson(frame: string): unknown {
  let message: unknown;
  try {
    message = JSON.parse(frame);
  } catch (error) {
    throw new ProtocolError('invalid', `the text frame is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  assertDepth(message, 0);
  return message;
}

/** JSON.parse accepts any depth; recursive functions over the message would overflow the stack. */
function assertDepth(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth === LIMITS.maxDepth) {
    throw new ProtocolError('invalid', `the text frame is nested deeper than ${LIMITS.maxDepth} levels (maxDepth)`);
  }
  for (const item of Object.values(value)) assertDepth(item, depth + 1);
}

function unpack(frame: Uint8Array): unknown {
  assertPlainMsgpack(frame, false);
  try {
    return unpackr.unpack(frame);
  } catch (error) {
    throw new ProtocolError(
      'invalid',
      `the binary frame is not MessagePack: ${error instanceof Error ? error.message : error}`,
    );
  }
}

export function encodeUp(message: Up, subprotocol: Subprotocol): Uint8Array | string {
  return encode('up', message, subprotocol);
}

export function encodeDown(message: Down, subprotocol: Subprotocol): Uint8Array | string {
  return encode('down', message, subprotocol);
}

/** @throws ProtocolError of kind `invalid` for what is no message at all */
export function decodeUp(frame: Uint8Array | string): unknown {
  return decode('up', frame);
}

/** @throws ProtocolError of kind `invalid` for what is no message at all */
export function decodeDown(frame: Uint8Array | string): Down {
  return decode('down', frame) as Down;
}
