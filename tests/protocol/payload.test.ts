import { ProtocolError } from '@rma/protocol/error';
import {
  base64FromBytes,
  bytesFromBase64,
  isBlobRef,
  packPayload,
  unpackPayload,
  valueFromJson,
  valueToJson,
} from '@rma/protocol/payload';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { payloadValue } from './message-arbitrary.js';
import { comparable } from './recorded-frames.js';

describe('a payload', () => {
  it('holds any value that JSON has, and bytes', () => {
    fc.assert(
      fc.property(payloadValue, (value) => {
        expect(comparable(unpackPayload(packPayload(value)))).toEqual(comparable(value));
      }),
    );
  });

  it('is the same after a way through JSON text, byte for byte', () => {
    fc.assert(
      fc.property(payloadValue, (value) => {
        const text = JSON.stringify(valueToJson(value));
        expect(comparable(packPayload(valueFromJson(JSON.parse(text))))).toEqual(comparable(packPayload(value)));
      }),
    );
  });

  it('is the shortest MessagePack, as other libraries write it', () => {
    expect(Buffer.from(packPayload({ text: 'hello' })).toString('hex')).toBe('81a474657874a568656c6c6f');
    expect(Buffer.from(packPayload(undefined)).toString('hex')).toBe('c0');
  });

  it('becomes, in JSON, what is closest: dates as ISO text, huge integers as digits, what is no number as null', () => {
    const value = { at: new Date(0), big: 2n ** 60n, none: Number.NaN };
    expect(JSON.stringify(valueToJson(value))).toBe(
      '{"at":"1970-01-01T00:00:00.000Z","big":"1152921504606846976","none":null}',
    );
  });
});

describe('bytes in JSON', () => {
  it('are base64 of any length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(base64FromBytes(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(Buffer.from(bytesFromBase64(base64FromBytes(bytes))).equals(bytes)).toBe(true);
      }),
    );
    const large = new Uint8Array(100_001).fill(7);
    expect(bytesFromBase64(base64FromBytes(large))).toEqual(large);
  });

  it('are refused when they are no base64', () => {
    for (const text of ['*', 'abc=d', 'a', 'é']) expect(() => bytesFromBase64(text)).toThrow(ProtocolError);
  });

  it('are a map with `$bytes` alone', () => {
    expect(valueFromJson({ $bytes: 'AQI=' })).toEqual(new Uint8Array([1, 2]));
    expect(valueFromJson({ $bytes: 'AQI=', more: 1 })).toEqual({ $bytes: 'AQI=', more: 1 });
    expect(valueFromJson({ $bytes: 1 })).toEqual({ $bytes: 1 });
  });
});

describe('a blob reference', () => {
  const ref = { $blob: 'a'.repeat(64), size: 5, as: 'bytes' };

  it('is known by its three fields', () => {
    expect(isBlobRef(ref)).toBe(true);
    for (const change of [{ $blob: 'A'.repeat(64) }, { $blob: 'aa' }, { size: 1.5 }, { size: '5' }, { as: 'text' }]) {
      expect(isBlobRef({ ...ref, ...change })).toBe(false);
    }
    for (const value of [null, undefined, 'a', 1, []]) expect(isBlobRef(value)).toBe(false);
  });
});
