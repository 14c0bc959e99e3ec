/** Hellos: whether the token still admits anyone, and as which role the session begins. */
import { outgoingOf } from './effects.js';
import type { HelloInput } from './inputs.js';
import { openSession, refuse, welcome } from './sessions.js';
import type { TokenRecord } from './token.js';
import type { Turn } from './turn.js';
import { helloWorker } from './worker-sessions.js';

/** `lastUsedAt` is written at most so often: a reconnecting client must not cost a write each time. */
const LAST_USED_PRECISION_MS = 60_000;

export function hello(turn: Turn, input: HelloInput): void {
  const { state, batch } = turn;
  const token = state.tokens.get(input.token.id);
  const fault = tokenFault(token, batch.wallMs);
  if (!token || fault) {
    refuse(turn, input.session, token?.revokedAt ? 'revoked' : 'unauthenticated', fault ?? 'unknown token');
    return;
  }
  if (!state.readOnly) {
    if (batch.wallMs - token.lastUsedAt > LAST_USED_PRECISION_MS) turn.effects.persist.tokens.add(token);
    token.lastUsedAt = batch.wallMs;
  }
  if (token.role === 'admin' || token.role === 'client') {
    openSession(turn, input, token.role, token, token.subject, null);
    outgoingOf(turn.effects, input.session).welcome = welcome(input, token.role, token.subject);
    return;
  }
  if (token.role === 'join' && !input.message.worker) {
    // A join token also opens a session that only watches who joins with it. That consumes no use.
    openSession(turn, input, 'join', token, token.subject, null);
    outgoingOf(turn.effects, input.session).welcome = welcome(input, 'join', token.subject);
    return;
  }
  if (!input.message.worker) {
    refuse(turn, input.session, 'bad_frame', 'a worker needs `worker` in its hello');
    return;
  }
  helloWorker(turn, input, token, input.message.worker);
}

function tokenFault(token: TokenRecord | undefined, wallMs: number): string | undefined {
  if (!token) return 'this coordinator does not know the token; make a new one with `rma token create`';
  if (token.revokedAt) return 'the token was revoked; ask the admin of the pool for a new one';
  if (token.expiresAt && token.expiresAt <= wallMs)
    return 'the token has expired; make a new one with `rma token create`';
  return undefined;
}
