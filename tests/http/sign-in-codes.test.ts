/** The codes of links that sign in once, by a clock of the test's own. */
import { SignInCodes } from '@rma/server/identity/sign-in-codes';
import { expect, it } from 'vitest';

const MINUTE_MS = 60_000;

it('counts for ten minutes, and not a moment longer', () => {
  const codes = new SignInCodes();
  const early = codes.issue('t-1', 5_000);
  const late = codes.issue('t-1', 5_000);
  expect(early.expiresInSeconds).toBe(600);
  expect(codes.redeem(early.code, 5_000 + 10 * MINUTE_MS - 1)).toBe('t-1');
  expect(codes.redeem(late.code, 5_000 + 10 * MINUTE_MS)).toBeUndefined();
});

it('counts once', () => {
  const codes = new SignInCodes();
  const { code } = codes.issue('t-1', 0);
  expect([codes.redeem(code, 1), codes.redeem(code, 2)]).toEqual(['t-1', undefined]);
});

it('cannot be guessed, and the oldest unused one goes above the limit', () => {
  const codes = new SignInCodes();
  const made = Array.from({ length: 40 }, () => codes.issue('t-1', 0).code);
  expect(new Set(made).size).toBe(40);
  expect(made.every((code) => /^[\w-]{32}$/.test(code))).toBe(true);
  expect(made.filter((code) => codes.redeem(code, 1) !== undefined)).toEqual(made.slice(-32));
});
