/**
 * The close codes of RFC 6455 section 7.4 as the adapters use them, and the rules for sending one. Pure.
 */

export const CLOSE_PROTOCOL_ERROR = 1002;
export const CLOSE_ABNORMAL = 1006;
export const CLOSE_INVALID_TEXT = 1007;
export const CLOSE_TOO_LARGE = 1009;
export const CLOSE_OVERLOADED = 1013;

/** A message up to this many times the limit is read to its end, so that it can be refused with 1009 and a reason. */
export const OVERSIZE_FACTOR = 2;

const MAX_REASON_BYTES = 123;

/** Checks a code that is to be sent and cuts the reason, between characters, to what a close frame holds. */
export function closeFrame(code: number, reason: string): { code: number; reason: string } {
  const named = code >= 1000 && code <= 1014 && ![1004, 1005, CLOSE_ABNORMAL].includes(code);
  if (!Number.isInteger(code) || !(named || (code >= 3000 && code <= 4999))) {
    throw new RangeError(`close code ${code} may not be sent: use 1000 to 1014 (but 1004 to 1006) or 3000 to 4999`);
  }
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(MAX_REASON_BYTES));
  return { code, reason: reason.slice(0, read) };
}

/** Why a message was refused, for the peer. */
export function tooLargeReason(bytes: number, limitBytes: number): string {
  return `a message of ${bytes} bytes exceeds the limit of ${limitBytes}: send large data as a blob`;
}

/** Why a socket was cut that did not read, for the log. */
export function overflowReason(bufferedBytes: number, limitBytes: number): string {
  return `the peer reads too slowly: ${bufferedBytes} bytes waited for it, the limit is ${limitBytes}`;
}
