/** Payloads are compared as values, whatever encoding a library chose, in one walk up to the first difference. */
import { packPayload } from '@rma/protocol/payload';
import { samePayload } from '@rma/server/core/same-payload';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

/** The longest form of each token, as some libraries write it. */
function packLong(value: unknown): Buffer {
  const head = (type: number, length: number) => {
    const bytes = Buffer.alloc(5);
    bytes[0] = type;
    bytes.writeUInt32BE(length, 1);
    return bytes;
  };
  if (value === null || value === undefined) return Buffer.from([0xc0]);
  if (typeof value === 'boolean') return Buffer.from([value ? 0xc3 : 0xc2]);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(9, 0xcb);
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (typeof value === 'string') return Buffer.concat([head(0xdb, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(0xc6, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(0xdd, value.length), ...value.map(packLong)]);
  const entries = Object.entries(value as object);
  return Buffer.concat([head(0xdf, entries.length), ...entries.flat().map(packLong)]);
}

const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false, 0, -0, -1, -33, 127, 128, 65_536, 2 ** 31, 2 ** 40, 1.5),
    fc.integer(),
    fc.string({ maxLength: 40 }),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(fc.string({ maxLength: 5 }), tie('value'), { maxKeys: 18 }),
  ),
})).value;

describe('two payloads', () => {
  it('of the same value are the same in any encoding', () => {
    fc.assert(
      fc.property(value, (one) => {
        const short = packPayload(one);
        const long = packLong(one);
        expect(samePayload(short, long)).toBe(true);
        expect(samePayload(long, short)).toBe(true);
      }),
    );
  });

  it('of different values are not', () => {
    fc.assert(
      fc.property(value, value, (one, other) => {
        const isSame = packLong(one).equals(packLong(other)) || Object.is(one, -0) !== Object.is(other, -0);
        fc.pre(!isSame && !JSON.stringify([one, other]).includes('-0'));
        fc.pre(JSON.stringify(one) !== JSON.stringify(other));
        expect(samePayload(packPayload(one), packLong(other))).toBe(false);
      }),
    );
  });

  it.each<[string, string, string, boolean]>([
    ['an integer and the same as a float', '01', 'cb3ff0000000000000', true],
    ['a signed and an unsigned integer', 'd0ff', 'ff', true],
    ['64-bit integers that only differ beyond a double', 'cfffffffffffffffff', 'cffffffffffffffffe', false],
    ['equal 64-bit integers', 'cf0000000000000001', 'd30000000000000001', true],
    ['not-a-number in two widths', 'cb7ff8000000000000', 'ca7fc00000', true],
    ['a timestamp and another', 'd6ff00000001', 'd6ff00000002', false],
    ['text and bytes', 'a161', 'c40161', false],
    ['nothing and nothing', '', '', true],
    ['bytes that are no value, the same', 'c1', 'c1', true],
    ['bytes that are no value, others', 'c1', 'c1c1', false],
    ['a value that is cut', '93', '9301', false],
    ['text that is cut', 'a561', 'd90561', false],
    ['a value with more behind it', '01c0', 'cc01', false],
    ['a list that announces more than there is', 'ddffffffff', 'dcffff', false],
  ])('%s', (_, one, other, same) => {
    expect(samePayload(hex(one), hex(other))).toBe(same);
  });
});
