/**
 * The few places that read the core's own maps: its counts against the store, the bounds of its memory, and that at rest
 * nothing is left of any task or peer that is gone.
 */
import type { State } from '@rma/server/core/state';
import type { ModelStore } from './model-store.js';
import { type Judge, Violation } from './rules.js';
import type { World } from './world.js';

export function checkCounts(state: State, store: ModelStore, judge: Judge): void {
  const stored = { queued: 0, scheduled: 0, running: 0 };
  const owners = new Map<string, number>();
  for (const { state: name, owner } of store.tasks.values()) {
    if (name !== 'queued' && name !== 'scheduled' && name !== 'running') continue;
    stored[name]++;
    owners.set(owner, (owners.get(owner) ?? 0) + 1);
  }
  const held = { queued: state.queued, scheduled: state.scheduled, running: state.running.size };
  for (const name of ['queued', 'scheduled', 'running'] as const) {
    if (held[name] !== stored[name])
      judge.broken('not at rest', `${held[name]} ${name} are counted, of ${stored[name]}`);
  }
  for (const [owner, open] of owners) {
    const counted = state.openPerOwner.get(owner);
    if (counted !== open) judge.broken('not at rest', `${counted} open tasks of ${owner} are counted, of ${open}`);
  }
}

export function checkBounds(world: World): void {
  const { state, connections } = world.coordinator;
  const { windowTasks } = world.scenario;
  const bounds: [what: string, size: number, most: number][] = [
    ['tasks', state.tasks.size, state.lanes.size * 2 * windowTasks + state.running.size],
    ['sessions', state.sessions.size, connections.size + world.workers.length + world.clients.length],
    ['workers', state.workers.size, world.workers.length],
    ['watched tasks', state.watchers.size, world.store.tasks.size],
  ];
  for (const [what, size, most] of bounds) {
    if (size > most) world.judge.broken('memory beyond its bound', `${size} ${what}, at most ${most}`);
  }
  // Of each worker its join token, its credential, and the next one until that is used.
  const tokens = world.clients.length + 3 * world.workers.length;
  if (state.tokens.size > tokens)
    world.judge.broken('tokens pile up', `${state.tokens.size} tokens, at most ${tokens}`);
}

export function checkBaseline({ coordinator, scenario }: World): void {
  const { state } = coordinator;
  const workers = [...state.workers.values()];
  const used = workers.flatMap(({ services }) => [...services.values()].map((live) => live.used));
  const left: Record<string, number> = {
    tasks: state.tasks.size,
    running: state.running.size,
    queued: state.queued,
    scheduled: state.scheduled,
    lanes: state.lanes.size,
    'lanes by key': state.lanesByKey.size,
    'owners of lanes': state.lanesPerOwner.size,
    watchers: state.watchers.size,
    owners: state.openPerOwner.size,
    ready: state.ready.size,
    freed: state.freed.size,
    slots: used.reduce((sum, one) => sum + one, 0),
    'attempts of workers': workers.reduce((sum, { attempts }) => sum + attempts.size, 0),
    'running attempts of workers': workers.reduce((sum, { running }) => sum + running, 0),
    'sessions without a connection': [...state.sessions.keys()].filter((id) => !coordinator.connections.has(id)).length,
    'lanes of kinds': [...state.kinds.values()].reduce((sum, { lanes }) => sum + lanes.size, 0),
  };
  for (const [what, count] of Object.entries(left)) {
    if (count !== 0) throw new Violation('not at rest', `${count} ${what} are left after seed ${scenario.seed}`);
  }
}
