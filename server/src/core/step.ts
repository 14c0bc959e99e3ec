/** The core's single entry point: everything that a turn collected goes in, everything that must happen comes out. */
import { type Effects, makeEffects } from './effects.js';
import { hello } from './hello.js';
import type { Batch, Input } from './inputs.js';
import { admitClaimed } from './lane.js';
import { handleMessage } from './messages.js';
import { applyCatalog, refuseCatalog } from './placement/changes.js';
import { runPlacement } from './placement/run.js';
import { admitsReadOnly } from './read-only.js';
import { stalled } from './restore.js';
import { schedule } from './schedule.js';
import { closed } from './sessions.js';
import { indexWorkers, type State } from './state.js';
import { due, tick } from './tick.js';
import { emit, type Turn } from './turn.js';

/** Refusals of unknown kinds in one step that name the closest known ones. */
const HINTS = 8;

/**
 * Steps the core over one batch. It changes `state`, which it owns, and returns what the world must do: commit
 * `persist` in one transaction, and only then send `outgoing`.
 */
export function step(state: State, batch: Batch): Effects {
  const turn: Turn = { state, batch, effects: makeEffects(), evicted: new Map(), hints: HINTS };
  for (const input of batch.inputs) if (!state.readOnly || admitsReadOnly(turn, input)) handle(turn, input);
  indexWorkers(state, turn.effects.workers);
  if (state.readOnly) return turn.effects;
  schedule(turn);
  runPlacement(turn);
  return turn.effects;
}

function handle(turn: Turn, input: Input): void {
  const { state } = turn;
  switch (input.type) {
    case 'hello':
      hello(turn, input);
      return;
    case 'message':
      handleMessage(turn, input);
      return;
    case 'closed':
      closed(turn, input.session, input.reason);
      return;
    case 'claimed':
      claimed(turn, input);
      return;
    case 'due':
      due(turn, input.tasks);
      return;
    case 'tick':
      tick(turn);
      return;
    case 'catalog':
      applyCatalog(turn, input);
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
    case 'signed':
      signed(turn, input);
      return;
    case 'stalled':
      stalled(state, turn.batch.nowMs);
      return;
    case 'stopping':
      state.stopping = true;
      emit(turn, 'coordinator.stopped', '', '');
      return;
  }
}

/** Rows that follow a window's tail come into memory. They are the first input of the turn after their claim. */
function claimed({ state }: Turn, { lane: id, tasks }: Extract<Input, { type: 'claimed' }>): void {
  const lane = state.lanes.get(id);
  if (!lane) return;
  lane.claiming = false;
  state.unread.delete(lane);
  admitClaimed(lane, tasks);
  for (const task of tasks) state.tasks.set(task.id, task);
  state.ready.add(lane);
}

function signed(turn: Turn, input: Extract<Input, { type: 'signed' }>): void {
  const token = turn.state.tokens.get(input.token);
  if (!token) return;
  token.lastUsedAt = turn.batch.wallMs;
  turn.effects.persist.tokens.add(token);
  const by = { role: token.role, by: token.name, token: token.id, address: input.address };
  emit(turn, input.in ? 'session.opened' : 'session.closed', token.id, '', by);
}
