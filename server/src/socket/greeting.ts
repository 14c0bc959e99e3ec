/**
 * A connection's hello, before the core decides: verifies its token or cookie, and signs the credential that a worker's
 * first join may need (the key is here, and the core is pure).
 */
import { ProtocolError } from '@rma/protocol/error';
import type { UpOf } from '@rma/protocol/up';
import { PROTOCOL_VERSION } from '@rma/protocol/version';
import type { Logger } from 'pino';
import type { HelloInput, Input } from '../core/inputs.js';
import type { State } from '../core/state.js';
import { sessionOf } from '../identity/session-cookie.js';
import { shortId, type Tokens } from '../identity/tokens.js';
import type { Clock } from '../runtime/clock.js';
import type { Connection } from './connection.js';
import { wireErrorOf } from './error-reply.js';
import type { Greetings } from './greetings.js';

export interface GreetingOptions {
  readonly clock: Clock;
  readonly tokens: Tokens;
  readonly push: (input: Input, bytes: number) => void;
  /** Whether a session may have so many bytes waiting for a turn. */
  readonly admits: (session: number, bytes: number) => boolean;
  readonly state: () => State;
  readonly log: Logger;
}

/** @throws ProtocolError of kind `conflict` for a second hello */
export function greet(
  options: GreetingOptions,
  greetings: Greetings,
  connection: Connection,
  message: UpOf<'hello'>,
  bytes: number,
): void {
  const nowMs = options.clock.nowMs();
  if (connection.phase !== 'greeting') throw new ProtocolError('conflict', 'this connection sent its hello already');
  if (message.protocol !== PROTOCOL_VERSION) {
    const text = `protocol ${message.protocol} is not spoken here, ${PROTOCOL_VERSION} is; update the ${message.agent.name}`;
    connection.sendError({ kind: 'unsupported_version', message: text }, nowMs, 'hello');
    connection.goodbye('unsupported_version', text, nowMs);
    return;
  }
  if (!options.admits(connection.id, bytes)) {
    connection.goodbye('overloaded', 'too much waits for its turn here; dial again', nowMs, 1_000);
    return;
  }
  try {
    admit(options, connection, message, bytes);
    greetings.remove(connection);
  } catch (error) {
    const wire = wireErrorOf(error);
    if (!(error instanceof ProtocolError)) options.log.error({ err: error }, 'a token could not be checked');
    if (!greetings.failed(connection.socket.remoteAddress, nowMs)) {
      connection.phase = 'closing';
      connection.socket.terminate();
      return;
    }
    connection.sendError(wire, nowMs, 'hello');
    connection.goodbye('unauthenticated', wire.message, nowMs);
  }
}

/** @throws ProtocolError of kind `unauthenticated` */
function admit(options: GreetingOptions, connection: Connection, message: UpOf<'hello'>, bytes: number): void {
  const { tokens, push, state } = options;
  const token = credential(tokens, connection, message);
  let candidate: HelloInput['candidate'];
  if (token.role === 'join' && message.worker) {
    const worker = joinedBefore(state(), token.id, message.worker.key) ?? shortId('w-', 8);
    const tokenId = shortId('t-', 12);
    const signed = tokens.sign({ id: tokenId, role: 'worker', subject: worker, expiresAt: 0 });
    candidate = { worker, tokenId, credential: signed };
  }
  connection.phase = 'waiting';
  const { token: _secret, ...rest } = message;
  const input = { type: 'hello', session: connection.id, address: connection.socket.remoteAddress, token } as const;
  push({ ...input, message: rest, ...(candidate ? { candidate } : {}) }, bytes);
}

/** Verifies the token of the hello, or else the session cookie of the upgrade. */
function credential(tokens: Tokens, connection: Connection, message: UpOf<'hello'>): HelloInput['token'] {
  if (message.token !== undefined) return tokens.verify(message.token);
  const session = sessionOf(connection.socket.cookie);
  if (session) return tokens.verifySession(session);
  throw new ProtocolError('unauthenticated', 'nobody is signed in here, and the hello carries no token; sign in again');
}

/** The worker that joined with this token and key before: a repeated first join gets the same id. */
function joinedBefore(state: State, tokenId: string, key: string): string | undefined {
  return state.joins.get(`${tokenId} ${key}`)?.record.id;
}
