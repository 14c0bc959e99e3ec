/**
 * Frames to messages and back, for both subprotocols. MessagePack frames are plain maps; JSON frames carry the same
 * names, with payload fields as plain values. What comes out of `decode` is not yet checked: see check.ts.
 */
import { DOWN, type Down } from './down.js';
import { ProtocolError } from './error.js';
import { LIMITS } from './limits.js';
import { packPayload, packr, unpackPayload, unpackr, valueFromJson, valueToJson } from './payload.js';
import { assertPlainMsgpack } from './plain-msgpack.js';
import { UP, type Up } from './up.js';
import { SUBPROTOCOL_JSON, type Subprotocol } from './version.js';

type Json = { [key: string]: unknown };
type Convert = (value: unknown) => unknown;
/** Where a message's payload fields are: by property, itself a payload, or an object or list of objects with payloads. */
interface PayloadMap {
  readonly [property: string]: 'payload' | { readonly list: boolean; readonly inside: PayloadMap };
}

interface SchemaNode {
  payload?: boolean;
  properties?: Record<string, SchemaNode>;
  items?: SchemaNode;
  allOf?: SchemaNode[];
}

function payloadMap(schema: SchemaNode): PayloadMap | undefined {
  const map: Record<string, PayloadMap[string]> = {};
  const parts = schema.allOf ?? [schema];
  for (const [name, node] of parts.flatMap((part) => Object.entries(part.properties ?? {}))) {
    if (node.payload) map[name] = 'payload';
    else {
      const inside = payloadMap(node.items ?? node);
      if (inside) map[name] = { list: node.items !== undefined, inside };
    }
  }
  return Object.keys(map).length > 0 ? map : undefined;
}

function payloadMaps(table: Readonly<Record<string, unknown>>): ReadonlyMap<string, PayloadMap> {
  const maps = new Map<string, PayloadMap>();
  for (const [type, schema] of Object.entries(table)) {
    const map = payloadMap(schema as SchemaNode);
    if (map) maps.set(type, map);
  }
  return maps;
}

const PAYLOADS = { up: payloadMaps(UP), down: payloadMaps(DOWN) };

function convertPayloads(message: Json, map: PayloadMap, convert: Convert): Json {
  const copy: Json = { ...message };
  for (const [name, what] of Object.entries(map)) {
    const value = message[name];
    if (value === undefined) continue;
    if (what === 'payload') copy[name] = convert(value);
    else if (what.list) {
      if (Array.isArray(value)) {
        copy[name] = value.map((item) => (isJson(item) ? convertPayloads(item, what.inside, convert) : item));
      }
    } else if (isJson(value)) copy[name] = convertPayloads(value, what.inside, convert);
  }
  return copy;
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

const toJsonPayload: Convert = (payload) => valueToJson(unpackPayload(payload as Uint8Array));
const fromJsonPayload: Convert = (value) => packPayload(valueFromJson(value));

function encode(direction: 'up' | 'down', message: Up | Down, subprotocol: Subprotocol): Uint8Array | string {
  if (subprotocol !== SUBPROTOCOL_JSON) return packr.pack(message);
  const map = PAYLOADS[direction].get(message.type);
  return JSON.stringify(map ? convertPayloads(message as Json, map, toJsonPayload) : valueToJson(message));
}

function decode(direction: 'up' | 'down', frame: Uint8Array | string): unknown {
  const message = typeof frame === 'string' ? parseJson(frame) : unpack(frame);
  if (!isJson(message)) throw new ProtocolError('invalid', 'a message is a map', '', 'a map with a `type`');
  if (typeof frame !== 'string') return message;
  const map = typeof message.type === 'string' ? PAYLOADS[direction].get(message.type) : undefined;
  return map ? convertPayloads(message, map, fromJsonPayload) : message;
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
