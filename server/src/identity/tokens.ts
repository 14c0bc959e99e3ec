/** Signs and verifies tokens: JWTs, HS256, with a key in the data directory. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROLES, type Role } from '@rma/protocol/down';
import { hasErrorCode, ProtocolError } from '@rma/protocol/error';
import { jwtVerify, SignJWT } from 'jose';
import { writeSecret } from './secret-file.js';

const ISSUER = 'rma-pool';
const KEY_BYTES = 32;
const SESSION = 'session';

export interface Claims {
  readonly id: string;
  readonly role: Role;
  readonly subject: string;
  /** Wall-clock ms; 0 for never. */
  readonly expiresAt: number;
}

export class Tokens {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Reads the signing key of a data directory, which the first start creates. */
  static open(directory: string): Tokens {
    const file = join(directory, 'signing.key');
    if (!existsSync(file)) writeSecret(file, randomBytes(KEY_BYTES).toString('base64url'));
    const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64url');
    if (key.length < KEY_BYTES) {
      throw new Error(
        `${file} is damaged: restore it, or remove it and every *.token beside it to start with new tokens`,
      );
    }
    return new Tokens(key);
  }

  sign(claims: Claims): Promise<string> {
    return this.#sign(claims, {});
  }

  /** The value of a session cookie: names a token, expires, and is valid as a cookie only (claim `use`). */
  signSession(claims: Claims): Promise<string> {
    return this.#sign(claims, { use: SESSION });
  }

  #sign(claims: Claims, more: Record<string, string>): Promise<string> {
    const token = new SignJWT({ role: claims.role, ...more })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(ISSUER)
      .setSubject(claims.subject)
      .setJti(claims.id)
      .setIssuedAt();
    if (claims.expiresAt) token.setExpirationTime(Math.floor(claims.expiresAt / 1_000));
    return token.sign(this.#key);
  }

  /** @throws ProtocolError of kind `unauthenticated` */
  async verify(token: string): Promise<{ id: string; role: Role }> {
    const { id, role } = await this.#verify(token, undefined);
    return { id, role };
  }

  /** @throws ProtocolError of kind `unauthenticated` */
  verifySession(session: string): Promise<{ id: string; role: Role; expiresAt: number }> {
    return this.#verify(session, SESSION);
  }

  async #verify(token: string, use: string | undefined): Promise<{ id: string; role: Role; expiresAt: number }> {
    try {
      const { payload } = await jwtVerify(token, this.#key, { issuer: ISSUER, algorithms: ['HS256'] });
      const { jti, role, exp } = payload;
      if (typeof jti === 'string' && ROLES.includes(role as Role) && payload.use === use) {
        return { id: jti, role: role as Role, expiresAt: (exp ?? 0) * 1_000 };
      }
    } catch (error) {
      const expired = hasErrorCode(error, 'ERR_JWT_EXPIRED');
      throw new ProtocolError(
        'unauthenticated',
        expired
          ? use === SESSION
            ? 'you were signed in for a long time, and that is over; sign in again'
            : 'the token has expired; make a new one with `rma token create`'
          : 'the token is not one of this coordinator; check that it is whole, and for this pool',
      );
    }
    throw new ProtocolError('unauthenticated', 'the token lacks an id or a role');
  }
}

/** A random id for tokens and workers, without letters that look like digits. */
export function shortId(prefix: string, length: number): string {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  return prefix + Array.from(randomBytes(length), (byte) => alphabet[byte & 31]).join('');
}
