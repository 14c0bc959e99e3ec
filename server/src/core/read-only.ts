/**
 * What a step takes while nothing can be written, not even into the room that is kept for results: who only looks is
 * served, a submit is refused like on any full disk, and everything else is told to come back.
 */
import { outgoingOf } from './effects.js';
import type { CoreMessage, HelloInput, Input } from './inputs.js';
import { giveGrace } from './restore.js';
import type { State } from './state.js';
import { expireSessions } from './tick.js';
import { sendError, type Turn } from './turn.js';

/** When a worker may ask again whether the coordinator can write. */
const RETRY_MS = 5_000;

/**
 * Whether an input tells something that is to be written down once that is possible, and that nobody waits for: it is
 * lost with the process, and told twice where a commit reached the disk and failed behind that.
 */
export function canWait(input: Input): boolean {
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

/** Whether the step may take this as usual, since nothing of it persists; answers what it may not. */
export function mayTake(turn: Turn, input: Input): boolean {
  switch (input.type) {
    case 'closed':
    case 'catalog':
      return true;
    case 'hello':
      return mayEnter(turn, input);
    case 'message':
      return mayHear(turn, input.session, input.message);
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

function mayEnter(turn: Turn, { session, token, message: { worker } }: HelloInput): boolean {
  if (!worker || token.role === 'admin' || token.role === 'client') return true;
  const message = "the coordinator's disk is full, so that no worker can come back yet; dial again";
  sendError(turn, session, 'storage_full', message, { about: 'hello' });
  outgoingOf(turn.effects, session).close = { name: 'restart', message, reconnectAfterMs: RETRY_MS };
  return false;
}

function mayHear(turn: Turn, session: number, message: CoreMessage): boolean {
  switch (message.type) {
    // The state says that the disk is full, so that it refuses whatever is new.
    case 'submit':
    case 'watch':
    case 'unwatch':
      return true;
    case 'cancel':
    case 'act': {
      if (!turn.state.sessions.has(session)) return false;
      const why = "the coordinator's disk is full; make room and do it again";
      sendError(turn, session, 'storage_full', why, { ref: message.ref, about: message.type });
      return false;
    }
    default:
      return false;
  }
}

/** Writing works again. Workers were kept out meanwhile, so they get the time to come back that a start gives. */
export function endReadOnly(state: State, nowMs: number): void {
  state.readOnly = false;
  giveGrace(state, nowMs);
}
