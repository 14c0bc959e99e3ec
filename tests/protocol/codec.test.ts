import { checkDown, checkUp } from '@rma/protocol/check';
import { decodeDown, decodeUp, encodeDown, encodeUp, PAYLOADS } from '@rma/protocol/codec';
import { DOWN, type Down } from '@rma/protocol/down';
import { packPayload } from '@rma/protocol/payload';
import { UP, type Up } from '@rma/protocol/up';
import { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, SUBPROTOCOLS } from '@rma/protocol/version';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryOf } from './message-arbitrary.js';
import { bytesOf, comparable, messageOf, recordedFrames } from './recorded-frames.js';

const numRuns = 40;

describe.each(SUBPROTOCOLS)('a message over %s', (subprotocol) => {
  it.each(Object.entries(UP))('comes out as it went in: %s, up', (_, schema) => {
    fc.assert(
      fc.property(arbitraryOf(schema), (message) => {
        const frame = encodeUp(message as Up, subprotocol);
        expect(comparable(checkUp(decodeUp(frame)))).toEqual(comparable(message));
      }),
      { numRuns },
    );
  });

  it.each(Object.entries(DOWN))('comes out as it went in: %s, down', (_, schema) => {
    fc.assert(
      fc.property(arbitraryOf(schema), (message) => {
        const frame = encodeDown(message as Down, subprotocol);
        expect(comparable(checkDown(decodeDown(frame)))).toEqual(comparable(message));
      }),
      { numRuns },
    );
  });

  it('goes as text in JSON and as bytes in MessagePack', () => {
    const frame = encodeUp({ type: 'heartbeat' }, subprotocol);
    expect(typeof frame).toBe(subprotocol === SUBPROTOCOL_JSON ? 'string' : 'object');
  });
});

describe('recorded frames', () => {
  const messages = recordedFrames.filter(({ direction }) => direction !== 'stream');

  it.each(messages)('are read as they were: $name, $direction', (frame) => {
    const read = frame.direction === 'up' ? checkUp(decodeUp(bytesOf(frame))) : checkDown(decodeDown(bytesOf(frame)));
    expect(comparable(read)).toEqual(comparable(messageOf(frame)));
  });

  it.each(messages)('are written as they were: $name, $direction', (frame) => {
    const subprotocol = frame.text === undefined ? SUBPROTOCOL_MSGPACK : SUBPROTOCOL_JSON;
    const written =
      frame.direction === 'up'
        ? encodeUp(messageOf<Up>(frame), subprotocol)
        : encodeDown(messageOf<Down>(frame), subprotocol);
    expect(comparable(written)).toEqual(comparable(bytesOf(frame)));
  });
});

interface Node {
  readonly payload?: boolean;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly allOf?: readonly Node[];
  readonly anyOf?: readonly Node[];
}

/** The paths of the payload fields below a schema, `[]` for the items of a list. */
function payloadPaths({ payload, properties = {}, items, allOf = [], anyOf = [] }: Node, path = ''): string[] {
  if (payload) return [path];
  return [
    ...Object.entries(properties).flatMap(([name, node]) => payloadPaths(node, `${path}/${name}`)),
    ...(items ? payloadPaths(items, `${path}[]`) : []),
    ...[...allOf, ...anyOf].flatMap((node) => payloadPaths(node, path)),
  ];
}

describe('a payload field', () => {
  it.each([
    ['up', UP],
    ['down', DOWN],
  ] as const)('is known to the codec wherever a schema has one: %s', (direction, table) => {
    const declared = Object.entries(table).flatMap(([type, schema]) =>
      payloadPaths(schema as Node).map((path) => `${type} ${path}`),
    );
    const known = [...PAYLOADS[direction]].map(([type, { list, field }]) => `${type} /${list}[]/${field}`);
    expect(known.sort()).toEqual(declared.sort());
  });

  const task = { id: '0198f0aa-3b00-7c51-9d42-6f1f5f0c2a11', kind: 'echo' };

  it('is the same bytes whether it came as JSON or as MessagePack', () => {
    const value = { text: 'hello', bytes: new Uint8Array([1, 2, 3]), list: [1, 2.5, null] };
    const message: Up = { type: 'submit', tasks: [{ ...task, input: packPayload(value) }] };
    const [json, msgpack] = [SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK].map((one) =>
      decodeUp(encodeUp(message, one as never)),
    );
    expect(comparable(json)).toEqual(comparable(msgpack));
  });

  it('may be null, which is a value', () => {
    const message: Up = { type: 'submit', tasks: [{ ...task, input: packPayload(null) }] };
    expect(encodeUp(message, SUBPROTOCOL_JSON)).toContain('"input":null');
    expect(comparable(checkUp(decodeUp(encodeUp(message, SUBPROTOCOL_JSON))))).toEqual(comparable(message));
  });

  it('has to be a bin in MessagePack frames', () => {
    const frame = encodeUp(
      { type: 'submit', tasks: [{ ...task, input: { text: 'hello' } as never }] },
      SUBPROTOCOL_MSGPACK,
    );
    expect(() => checkUp(decodeUp(frame))).toThrow(
      expect.objectContaining({ kind: 'invalid', path: '/tasks/0/input' }),
    );
  });
});
