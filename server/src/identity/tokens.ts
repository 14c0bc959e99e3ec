/**
 * Signs and verifies tokens: JWTs in compact form, HS256, with a key in the data directory. Synchronous: an HMAC takes
 * microseconds, and a pool that comes back after a restart verifies thousands of hellos at once.
 */
import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROLES, type Role } from '@rma/protocol/down';
import { ProtocolError } from '@rma/protocol/error';
import { writeSecret } from './secret-file.js';

const ISSUER = 'rma-pool';
const KEY_BYTES = 32;
const MAC_BYTES = 32;
const SESSION = 'session';
/** No other is accepted, whatever a token's header says. */
const ALGORITHM = 'HS256';
const HEADER = encode({ alg: ALGORITHM });
/** Base64url without padding, as RFC 7515 has it: what Buffer decodes beside that is no token. */
const PART = /^[A-Za-z0-9_-]+$/;

export interface Claims {
  readonly id: string;
  readonly role: Role;
  readonly subject: string;
  /** Wall-clock ms; 0 for never. */
  readonly expiresAt: number;
}

export interface Verified {
  readonly id: string;
  readonly role: Role;
  /** Wall-clock ms; 0 for never. */
  readonly expiresAt: number;
}

export class Tokens {
  readonly #key: KeyObject;

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
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

  sign(claims: Claims): string {
    return this.#sign(claims, {});
  }

  /** The value of a session cookie: names a token, expires, and is valid as a cookie only (claim `use`). */
  signSession(claims: Claims): string {
    return this.#sign(claims, { use: SESSION });
  }

  #sign({ id, role, subject, expiresAt }: Claims, more: Record<string, string>): string {
    const body = encode({
      role,
      ...more,
      iss: ISSUER,
      sub: subject,
      jti: id,
      iat: Math.floor(Date.now() / 1_000),
      ...(expiresAt ? { exp: Math.floor(expiresAt / 1_000) } : {}),
    });
    const signed = `${HEADER}.${body}`;
    return `${signed}.${this.#mac(signed).toString('base64url')}`;
  }

  /** @throws ProtocolError of kind `unauthenticated` */
  verify(token: string): { id: string; role: Role } {
    const { id, role } = this.#verify(token, undefined);
    return { id, role };
  }

  /** @throws ProtocolError of kind `unauthenticated` */
  verifySession(session: string): Verified {
    return this.#verify(session, SESSION);
  }

  #verify(token: string, use: string | undefined): Verified {
    const payload = this.#payload(token);
    if (payload === undefined) {
      throw unauthenticated('the token is not one of this coordinator; check that it is whole, and for this pool');
    }
    const { jti, role, exp = 0 } = payload;
    if (typeof exp !== 'number' || (exp !== 0 && exp * 1_000 <= Date.now())) {
      throw unauthenticated(
        use === SESSION
          ? 'you were signed in for a long time, and that is over; sign in again'
          : 'the token has expired; make a new one with `rma token create`',
      );
    }
    if (typeof jti === 'string' && ROLES.includes(role as Role) && payload.use === use) {
      return { id: jti, role: role as Role, expiresAt: exp * 1_000 };
    }
    throw unauthenticated('the token lacks an id or a role');
  }

  /** The claims of a token that was signed with this key; undefined for any other. Nothing is parsed before the MAC fits. */
  #payload(token: string): Record<string, unknown> | undefined {
    const [head = '', body = '', mac = '', ...rest] = token.split('.', 4);
    if (rest.length > 0 || !PART.test(head) || !PART.test(body) || !PART.test(mac)) return undefined;
    const given = Buffer.from(mac, 'base64url');
    if (given.length !== MAC_BYTES || !timingSafeEqual(given, this.#mac(`${head}.${body}`))) return undefined;
    const header = decode(head);
    // `crit` names extensions that must be understood: none is.
    if (header?.alg !== ALGORITHM || header.crit !== undefined) return undefined;
    const payload = decode(body);
    return payload?.iss === ISSUER ? payload : undefined;
  }

  #mac(signed: string): Buffer {
    return createHmac('sha256', this.#key).update(signed).digest();
  }
}

function unauthenticated(message: string): ProtocolError {
  return new ProtocolError('unauthenticated', message);
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Undefined for what is no JSON object. */
function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A random id for tokens and workers, without letters that look like digits. */
export function shortId(prefix: string, length: number): string {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  return prefix + Array.from(randomBytes(length), (byte) => alphabet[byte & 31]).join('');
}
