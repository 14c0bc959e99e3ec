/** The core's one entrance: everything that a turn collected goes in, everything that must happen comes out. */
import { act, leave } from './act.js';
import { chunks, progress, results } from './attempts.js';
import { cancel } from './cancel.js';
import { type Effects, makeEffects } from './effects.js';
import type { Batch, CoreMessage, Input } from './inputs.js';
import { closed, hello } from './join.js';
import { admitClaimed } from './lane.js';
import { refuseCatalog, takeCatalog, takePolicy } from './placement/changes.js';
import { runPlacement } from './placement/run.js';
import { mayTake } from './read-only.js';
import { schedule } from './schedule.js';
import { applyServices } from './services.js';
import type { Session } from './session.js';
import { capacityGrew, type State } from './state.js';
import { submit } from './submit.js';
import { due, tick } from './tick.js';
import { emit, type Turn } from './turn.js';
import { unwatch, watch } from './watch.js';

/**
 * Steps the core over one batch. It changes `state`, which it owns, and returns what the world must do: commit
 * `persist` in one transaction, and only then let `outgoing` leave.
 */
export function step(state: State, batch: Batch): Effects {
  const turn: Turn = { state, batch, effects: makeEffects(), left: new Map() };
  for (const input of batch.inputs) if (!state.readOnly || mayTake(turn, input)) take(turn, input);
  if (state.readOnly) return turn.effects;
  schedule(turn);
  runPlacement(turn);
  return turn.effects;
}

function take(turn: Turn, input: Input): void {
  const { state } = turn;
  switch (input.type) {
    case 'hello':
      hello(turn, input);
      return;
    case 'message': {
      // A message may still be on its way when its session has ended.
      const session = state.sessions.get(input.session);
      if (session) takeMessage(turn, session, input.message, input);
      return;
    }
    case 'closed':
      closed(turn, input.session, input.reason);
      return;
    case 'claimed': {
      const lane = state.lanes.get(input.lane);
      if (!lane) return;
      lane.claiming = false;
      admitClaimed(lane, input.tasks);
      for (const task of input.tasks) state.tasks.set(task.id, task);
      state.ready.add(lane);
      return;
    }
    case 'due':
      due(turn, input.tasks);
      return;
    case 'tick':
      tick(turn);
      return;
    case 'catalog':
      takeCatalog(turn, input);
      return;
    case 'catalog.refused':
      refuseCatalog(turn, input);
      return;
    case 'storage':
      state.storageFull = input.full;
      emit(turn, input.full ? 'storage.full' : 'storage.recovered', '', '');
      return;
    case 'started':
      emit(turn, 'coordinator.started', '', '', input.data);
      return;
    case 'signed': {
      const token = state.tokens.get(input.token);
      if (!token) return;
      token.lastUsedAt = turn.batch.wallMs;
      turn.effects.persist.tokens.add(token);
      const by = { role: token.role, by: token.name, token: token.id, address: input.address };
      emit(turn, input.in ? 'session.opened' : 'session.closed', token.id, '', by);
      return;
    }
    case 'stopping':
      state.stopping = true;
      emit(turn, 'coordinator.stopped', '', '');
      return;
  }
}

function takeMessage(
  turn: Turn,
  session: Session,
  message: CoreMessage,
  made: Pick<Extract<Input, { type: 'message' }>, 'minted' | 'newTask'>,
): void {
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
      cancel(turn, session, message);
      return;
    case 'act':
      act(turn, session, message, made.minted, made.newTask);
      return;
  }
  const worker = session.worker === null ? undefined : turn.state.workers.get(session.worker);
  if (!worker || worker.session !== session.id) return;
  switch (message.type) {
    case 'results':
      results(turn, session, worker, message);
      return;
    case 'chunks':
      chunks(turn, session, worker, message);
      return;
    case 'progress':
      progress(turn, worker, message);
      return;
    case 'services':
      applyServices(turn, worker, message.services);
      return;
    case 'sample':
      worker.load = message.load;
      turn.effects.loads.add(worker);
      return;
    case 'leave':
      leave(turn, worker);
      return;
    case 'policy':
      takePolicy(turn, worker, message);
      turn.effects.workers.add(worker);
      return;
    case 'drain':
      worker.leaving = message.draining;
      turn.state.placementDue = true;
      turn.effects.workers.add(worker);
      if (message.draining) emit(turn, 'worker.draining', worker.record.id, '', { by: 'worker' });
      else for (const { service } of worker.services.values()) capacityGrew(turn.state, worker, service.kinds);
      return;
  }
}
