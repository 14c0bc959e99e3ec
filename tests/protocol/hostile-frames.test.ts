import { checkUp } from '@rma/protocol/check';
import { decodeUp, encodeUp } from '@rma/protocol/codec';
import { ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import { packPayload, unpackPayload, valueFromJson, valueToJson } from '@rma/protocol/payload';
import { SUBPROTOCOL_MSGPACK } from '@rma/protocol/version';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { processorMs } from '../support/time.js';
import { bytesOf, recordedFrames } from './recorded-frames.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const ascii = (text: string) => Buffer.from(text).toString('hex');
/** A message with one more field, whose value is the bytes in question. */
const withField = (value: string) => hex(`82 a4${ascii('type')} a9${ascii('heartbeat')} a1${ascii('x')} ${value}`);

/** Whatever comes in, what comes out is a checked message or a ProtocolError. */
function take(frame: Uint8Array | string): unknown {
  try {
    return checkUp(decodeUp(frame));
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
}

const heartbeat = encodeUp({ type: 'heartbeat' }, SUBPROTOCOL_MSGPACK);
const binary = recordedFrames.filter(({ hex, direction }) => hex !== undefined && direction !== 'stream');

// Whatever a test fed to the decoder, the next frame must be read as if nothing had been.
afterEach(() => {
  expect(checkUp(decodeUp(heartbeat))).toEqual({ type: 'heartbeat' });
  expect(decodeUp(hex(`81 a1${ascii('n')} 40`))).toEqual({ n: 64 });
  expect(Object.keys(Object.prototype)).toEqual([]);
});

const extensions = {
  'a record definition of msgpackr': 'd4 72 40 91 a1 61 01',
  'a record definition with two bytes of id': 'd5 72 40 01 91 a1 61 01',
  'a huge integer (0x42)': `c7 09 42 ${'ff'.repeat(9)}`,
  'an error (0x65)': 'd4 65 00 92 a5 4572726f72 a1 78',
  'an identified value (0x69)': 'd6 69 00000001 80',
  'a pointer (0x70)': 'd6 70 00000001',
  'a set (0x73)': 'd4 73 00 91 01',
  'a typed array (0x74)': 'd7 74 07 00000000 000000',
  'a regular expression (0x78)': `d4 78 00 92 a6${ascii('(a+)+$')} a1 67`,
  'bundled strings (0x62)': 'd6 62 00000008 a1 61 a1 62 c1 01',
  'undefined (0x00)': 'd4 00 00',
  'an unknown extension': 'd4 05 00',
  'the byte that MessagePack never uses': 'c1',
};

describe('a MessagePack frame with an extension', () => {
  it.each(Object.entries({ ...extensions, 'a timestamp': 'd6 ff 00000000' }))('is refused: %s', (_, bytes) => {
    expect(() => decodeUp(withField(bytes))).toThrow(
      expect.objectContaining({ name: 'ProtocolError', kind: 'invalid' }),
    );
  });

  it('never teaches the decoder a record: a later frame with the same byte holds a number', () => {
    for (let i = 0; i < 20; i++)
      expect(take(hex('d4 72 40 91 a4 74797065 a9 686561727462656174'))).toBeInstanceOf(ProtocolError);
    expect(decodeUp(withField('40'))).toEqual({ type: 'heartbeat', x: 64 });
    expect(take(hex('40'))).toBeInstanceOf(ProtocolError);
  });
});

describe('a payload', () => {
  it.each(Object.entries(extensions))('is refused with an extension: %s', (_, bytes) => {
    expect(() => unpackPayload(hex(bytes))).toThrow(
      expect.objectContaining({ name: 'ProtocolError', kind: 'invalid' }),
    );
  });

  it('may hold timestamps, at all three sizes', () => {
    expect(unpackPayload(hex('d6 ff 00000001'))).toEqual(new Date(1_000));
    expect(unpackPayload(hex('d7 ff 0000000000000001'))).toEqual(new Date(1_000));
    expect(unpackPayload(hex('c7 0c ff 00000000 0000000000000001'))).toEqual(new Date(1_000));
    for (const ms of [0, 1_500, 1_764_000_000_123, -1, 2 ** 41]) {
      expect(unpackPayload(packPayload([new Date(ms)]))).toEqual([new Date(ms)]);
    }
  });

  it.each<[string, unknown]>([
    ['a regular expression', /(a+)+$/],
    ['an error', new Error('no')],
    ['a set', new Set([[1]])],
    ['a symbol', Symbol('no')],
    ['a huge integer', 2n ** 100n],
    ['a date that is none', new Date(Number.NaN)],
    ['a value that holds itself', cyclic()],
    ['one nested too deep', nested(LIMITS.maxDepth + 1)],
  ])('is never made of %s, or made of what plain MessagePack has', (_, value) => {
    try {
      unpackPayload(packPayload({ value }));
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError);
    }
  });

  it('is nested 64 levels at most, in both encodings', () => {
    const deepest = nested(LIMITS.maxDepth);
    expect(unpackPayload(packPayload(deepest))).toEqual(deepest);
    expect(valueFromJson(valueToJson(deepest))).toEqual(deepest);
    expect(() => packPayload([deepest])).toThrow(ProtocolError);
    expect(() => valueToJson([deepest])).toThrow(ProtocolError);
  });
});

function cyclic(): unknown[] {
  const list: unknown[] = [];
  list.push(list);
  return list;
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}

describe('a frame that is cut short, changed or made up', () => {
  it.each(binary)('is refused at every length but its own: $name', (frame) => {
    const bytes = bytesOf(frame) as Uint8Array;
    for (let length = 0; length < bytes.length; length++) {
      expect(take(bytes.subarray(0, length))).toBeInstanceOf(ProtocolError);
    }
    expect(() => decodeUp(Buffer.concat([bytes, hex('c0')]))).toThrow(ProtocolError);
  });

  it('never throws anything but a ProtocolError: bytes at random', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        take(bytes);
      }),
      { numRuns: 3_000 },
    );
  });

  it('never throws anything but a ProtocolError: recorded frames with some bytes changed', () => {
    const changes = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...binary), changes, (frame, edits) => {
        const bytes = Buffer.from(bytesOf(frame));
        for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
        take(bytes);
      }),
      { numRuns: 3_000 },
    );
  });

  it('never throws anything but a ProtocolError: any JSON, and text that is none', () => {
    const type = fc.constantFrom('submit', 'hello', 'results', 'chunks', 'query', '__proto__', 'constructor');
    fc.assert(
      fc.property(type, fc.jsonValue(), fc.string(), (name, value, text) => {
        take(JSON.stringify({ type: name, tasks: [value, { input: value }], worker: value, query: value }));
        take(JSON.stringify(value));
        take(text);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a frame that promises much', () => {
  it.each([
    ['a string of 4 GiB', 'db ffffffff'],
    ['bytes of 4 GiB', 'c6 ffffffff'],
    ['a list of 4 billion', 'dd ffffffff'],
    ['a map of 4 billion', 'df ffffffff'],
    ['an extension of 4 GiB', 'c9 ffffffff 01'],
    ['lists of 60,000 in lists of 60,000', 'dc ea60 dc ea60 dc ea60 dc ea60'],
  ])('is refused before room is made for it: %s', (_, bytes) => {
    const before = process.memoryUsage();
    for (let i = 0; i < 100; i++) expect(take(withField(bytes))).toBeInstanceOf(ProtocolError);
    const after = process.memoryUsage();
    expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(2 ** 26);
  });

  it.each<[string, Uint8Array | string]>([
    ['lists, MessagePack', Buffer.alloc(LIMITS.maxFrameBytes, 0x91)],
    ['maps, MessagePack', Buffer.from('81a161'.repeat(300_000), 'hex')],
    ['lists, JSON', `${'['.repeat(500_000)}${']'.repeat(500_000)}`],
    ['maps, JSON', `${'{"type":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
    ['inside a field, JSON', `{"type":"heartbeat","x":${'['.repeat(400_000)}${']'.repeat(400_000)}}`],
    ['inside a payload, JSON', `{"type":"submit","tasks":[{"input":${'['.repeat(400_000)}${']'.repeat(400_000)}}]}`],
  ])('is refused when it is nested without end: %s', (_, frame) => {
    expect(processorMs(() => expect(take(frame)).toBeInstanceOf(ProtocolError))).toBeLessThan(1_000);
  });

  it('is read in reasonable time when it is 1 MiB of the smallest things', () => {
    const items = LIMITS.maxFrameBytes - 20;
    const frames = [
      Buffer.concat([hex('dd'), uint32(items), Buffer.alloc(items, 0x80)]),
      Buffer.concat([hex('df'), uint32(items >> 2), Buffer.alloc((items >> 2) * 4, 'a2')]),
    ];
    for (const frame of frames) expect(processorMs(() => take(frame))).toBeLessThan(2_000);
  });
});

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

describe('numbers and names with a catch', () => {
  it('reads 64-bit integers as numbers, that JSON can write again', () => {
    expect(decodeUp(withField('cf ffffffffffffffff'))).toMatchObject({ x: 2 ** 64 });
    expect(decodeUp(withField('d3 8000000000000000'))).toMatchObject({ x: -(2 ** 63) });
    expect(JSON.stringify(decodeUp(withField('cf 0020000000000000')))).toContain('9007199254740992');
  });

  it.each([
    ['not a number', 'cb 7ff8000000000000'],
    ['infinity', 'cb 7ff0000000000000'],
    ['beyond every integer', 'cf ffffffffffffffff'],
  ])('refuses %s where a number is wanted', (_, bytes) => {
    const load = `83 a3${ascii('cpu')} ${bytes} ad${ascii('memoryUsedMiB')} 01 a4${ascii('gpus')} 90`;
    const frame = hex(`82 a4${ascii('type')} a6${ascii('sample')} a4${ascii('load')} ${load}`);
    expect(() => checkUp(decodeUp(frame))).toThrow(expect.objectContaining({ kind: 'invalid', path: '/load/cpu' }));
  });

  it.each<[string, Uint8Array | string]>([
    [
      'MessagePack',
      hex(`82 a4${ascii('type')} a9${ascii('heartbeat')} a9${ascii('__proto__')} 81 a5${ascii('admin')} c3`),
    ],
    [
      'MessagePack, as str 8',
      hex(`82 a4${ascii('type')} a9${ascii('heartbeat')} d909${ascii('__proto__')} 81 a5${ascii('admin')} c3`),
    ],
    ['JSON', '{"type":"heartbeat","__proto__":{"admin":true}}'],
    ['JSON, in a payload', '{"type":"submit","tasks":[{"input":{"__proto__":{"admin":true}}}]}'],
  ])('takes no prototype from a frame: %s', (_, frame) => {
    const message = decodeUp(frame) as { admin?: unknown; tasks?: { input: Uint8Array }[] };
    expect(message.admin).toBeUndefined();
    expect(Object.getPrototypeOf(message)).toBe(Object.prototype);
    const input = message.tasks?.[0]?.input;
    if (input) expect(unpackPayload(input)).toEqual({});
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', ''])("has no message called '%s'", (type) => {
    expect(take(JSON.stringify({ type }))).toMatchObject({ kind: 'unknown_message' });
  });

  it('has no message in lists, texts, numbers, nil and nothing', () => {
    for (const bytes of ['90', 'a161', '01', 'c0', '', 'c403010203']) {
      expect(take(hex(bytes))).toMatchObject({ kind: 'invalid' });
    }
    for (const text of ['[]', '"a"', '1', 'null', '', '{', '{}', '{"type":1}']) {
      expect(take(text)).toMatchObject({ kind: 'invalid' });
    }
  });
});
