/**
 * Read-only mode: nothing can be written, not even into the room that is reserved for results. Invariant: such a step
 * persists nothing. Reads are served, submits refused as on any full disk, everything else is asked to come back.
 */
import { outgoingOf } from './effects.js';
import type { HelloInput, Input, MessageInput } from './inputs.js';
import { rowOf } from './messages.js';
import { giveGrace } from './restore.js';
import type { State } from './state.js';
import { expireSessions } from './tick.js';
import { sendError, type Turn } from './turn.js';

/** When a worker may try again whether the coordinator can write. */
const RETRY_MS = 5_000;

/**
 * Whether an input is a record for the event log that no peer waits for: it is written once that is possible. It is lost
 * with the process, and written twice where a commit reached the disk and still failed.
 */
export function isDeferrable(input: Input): boolean {
  switch (input.type) {
    case 'started':
    case 'signed':
    case 'catalog.refused':
      return true;
    case 'catalog':
      return input.changed;
    default:
      return false;
  }
}

/** Whether the step may handle this as usual, since it persists nothing; otherwise answers it. */
export function admitsReadOnly(turn: Turn, input: Input): boolean {
  switch (input.type) {
    case 'closed':
    case 'catalog':
      return true;
    case 'hello':
      return admitsHello(turn, input);
    case 'message':
      return admitsMessage(turn, input);
    case 'tick':
      expireSessions(turn);
      return false;
    case 'stopping':
      turn.state.stopping = true;
      return false;
    default:
      return false;
  }
}

function admitsHello(turn: Turn, { session, token, message: { worker } }: HelloInput): boolean {
  if (!worker || token.role === 'admin' || token.role === 'client') return true;
  const message = "the coordinator's disk is full, so that no worker can come back yet; dial again";
  sendError(turn, session, 'storage_full', message, { about: 'hello' });
  outgoingOf(turn.effects, session).close = { name: 'restart', message, reconnectAfterMs: RETRY_MS };
  return false;
}

function admitsMessage(turn: Turn, { session, message }: MessageInput): boolean {
  const { readOnly } = rowOf(message);
  if (readOnly === 'refuse' && turn.state.sessions.has(session)) {
    const { ref } = message as { ref?: number };
    const why = "the coordinator's disk is full; make room and do it again";
    sendError(turn, session, 'storage_full', why, { ...(ref === undefined ? {} : { ref }), about: message.type });
  }
  return readOnly === 'handle';
}

/** Writing works again. Workers were turned away meanwhile, so their attempts get a start's grace. */
export function endReadOnly(state: State, nowMs: number): void {
  state.readOnly = false;
  giveGrace(state, nowMs);
}
