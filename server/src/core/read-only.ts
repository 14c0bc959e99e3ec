/**
 * Steps while nothing can be written, not even into the room that is kept for results: who only looks is served, a submit
 * is refused like on any full disk, and everything else is told to come back. Nothing here persists.
 */
import { type Effects, makeEffects } from './effects.js';
import type { Batch, CoreMessage, Input } from './inputs.js';
import { closed, hello } from './join.js';
import { takeCatalog } from './placement/changes.js';
import { giveGrace } from './restore.js';
import type { Session } from './session.js';
import type { State } from './state.js';
import { submit } from './submit.js';
import { expireSessions } from './tick.js';
import { sendError, type Turn } from './turn.js';
import { unwatch, watch } from './watch.js';

/** Whether an input tells something that is to be written down once that is possible, and that nobody waits for. */
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

/** @param batch without inputs that can wait */
export function stepReadOnly(state: State, batch: Batch): Effects {
  const turn: Turn = { state, batch, effects: makeEffects(), left: new Map() };
  for (const input of batch.inputs) take(turn, input);
  return turn.effects;
}

/** Writing works again. Workers were kept out meanwhile, so they get the time to come back that a start gives. */
export function endReadOnly(state: State, nowMs: number): void {
  state.readOnly = false;
  giveGrace(state, nowMs);
}

function take(turn: Turn, input: Input): void {
  const { state } = turn;
  switch (input.type) {
    case 'hello':
      hello(turn, input);
      return;
    case 'message': {
      const session = state.sessions.get(input.session);
      if (session) takeMessage(turn, session, input.message);
      return;
    }
    case 'closed':
      closed(turn, input.session, input.reason);
      return;
    case 'catalog':
      takeCatalog(turn, input);
      return;
    case 'tick':
      expireSessions(turn);
      return;
    case 'stopping':
      state.stopping = true;
      return;
  }
}

function takeMessage(turn: Turn, session: Session, message: CoreMessage): void {
  switch (message.type) {
    case 'submit':
      submit(turn, session, message);
      return;
    case 'watch':
      watch(turn, session, message);
      return;
    case 'unwatch':
      unwatch(turn, session, message);
      return;
    case 'cancel':
    case 'act':
      sendError(turn, session.id, 'storage_full', "the coordinator's disk is full; make room and do it again", {
        ref: message.ref,
        about: message.type,
      });
      return;
  }
}
