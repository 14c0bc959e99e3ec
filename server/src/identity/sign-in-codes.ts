/** One-time sign-in codes for links: in memory only, valid for LIFE_MS and one use. */
import { randomBytes } from 'node:crypto';

const LIFE_MS = 600_000;
const MAX_CODES = 32;

export class SignInCodes {
  readonly #codes = new Map<string, { readonly token: string; readonly untilMs: number }>();

  /** @param token the id of the token that the link signs in with @param nowMs monotonic */
  issue(token: string, nowMs: number): { code: string; expiresInSeconds: number } {
    const oldest = this.#codes.keys().next().value;
    if (this.#codes.size >= MAX_CODES && oldest !== undefined) this.#codes.delete(oldest);
    const code = randomBytes(24).toString('base64url');
    this.#codes.set(code, { token, untilMs: nowMs + LIFE_MS });
    return { code, expiresInSeconds: LIFE_MS / 1_000 };
  }

  /** The token's id, once; undefined for a code that is unknown, used or too old. */
  redeem(code: string, nowMs: number): string | undefined {
    const found = this.#codes.get(code);
    this.#codes.delete(code);
    return found && found.untilMs > nowMs ? found.token : undefined;
  }
}
