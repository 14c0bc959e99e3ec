/** The schema of the fields that hold a payload. */
import { type TUnsafe, Type } from 'typebox';
import { ProtocolError } from './error.js';
import type { Payload as PayloadBytes } from './payload.js';
import { assertPlainMsgpack } from './plain-msgpack.js';

/**
 * The schema of a payload field; the codec finds these fields by the `payload` mark. Bytes that encode no value are
 * refused when they arrive, so that the error goes to their sender: they are forwarded as they are, and decoding them
 * later, for a JSON peer, would fail at the receiver.
 */
export const Payload = Type.Refine(
  Type.Unknown({ payload: true, description: 'payload: any value' }),
  (value) => value instanceof Uint8Array && isPlainMsgpack(value),
  () => 'must be a payload: the MessagePack encoding of one value',
) as unknown as TUnsafe<PayloadBytes>;

function isPlainMsgpack(bytes: Uint8Array): boolean {
  try {
    assertPlainMsgpack(bytes, true);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}
