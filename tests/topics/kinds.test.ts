/** The topic `kinds`: changes name what differs for any subscriber, also for one that came between two of them. */
import { kindState, makeState, type State } from '@rma/server/core/state';
import { type KindsChange, KindsTopic } from '@rma/server/topics/kinds';
import { expect, it } from 'vitest';

function stateOf(...kinds: string[]): State {
  const state = makeState();
  for (const kind of kinds) state.knownKinds.set(kind, new Set());
  return state;
}

const view = (kind: string, running = 0) => ({ kind, queued: 0, running, workers: 0 });
const commit = (topic: KindsTopic) => topic.observe();
const told = (change: KindsChange | undefined) => change && [[...change.kinds.values()], [...change.gone]];

it('says nothing where nothing changed, and names what did alone', () => {
  const state = stateOf('a', 'b');
  const topic = new KindsTopic();
  expect(topic.snapshot(state)).toEqual([
    { type: 'kinds', key: 'kinds', snapshot: true, kinds: [view('a'), view('b')] },
  ]);
  expect(topic.takeChange(state)).toBeUndefined();
  commit(topic);
  expect(topic.takeChange(state)).toBeUndefined();
  kindState(state, 'b').running = 2;
  state.knownKinds.delete('a');
  commit(topic);
  expect(told(topic.takeChange(state))).toEqual([[view('b', 2)], ['a']]);
  expect(topic.takeChange(state)).toBeUndefined();
});

it('corrects what a snapshot between two changes showed', () => {
  const state = stateOf('steady', 'left');
  const topic = new KindsTopic();
  topic.snapshot(state);
  kindState(state, 'steady').running = 1;
  state.knownKinds.set('brief', new Set());
  state.knownKinds.delete('left');
  commit(topic);
  topic.snapshot(state);
  kindState(state, 'steady').running = 0;
  state.knownKinds.delete('brief');
  state.knownKinds.set('left', new Set());
  commit(topic);
  expect(told(topic.takeChange(state))).toEqual([[view('steady'), view('left')], ['brief']]);
});

it('merges two changes into the later values', () => {
  const topic = new KindsTopic();
  const earlier = {
    kinds: new Map([
      ['a', view('a')],
      ['b', view('b')],
    ]),
    gone: new Set(['c']),
  };
  const later = {
    kinds: new Map([
      ['b', view('b', 1)],
      ['c', view('c')],
    ]),
    gone: new Set(['a']),
  };
  expect(told(topic.merge(earlier, later))).toEqual([[view('b', 1), view('c')], ['a']]);
});

it('comes in several messages where one could not hold it, the first of them the snapshot', () => {
  const names = Array.from({ length: 1_001 }, (_, n) => `k${n}`);
  const messages = new KindsTopic().snapshot(stateOf(...names));
  expect(messages.map((message) => message.snapshot)).toEqual([true, undefined]);
  expect(messages.flatMap((message) => (message.type === 'kinds' ? message.kinds : []))).toHaveLength(1_001);
  expect(new KindsTopic().snapshot(stateOf())).toMatchObject([{ snapshot: true, kinds: [] }]);
});
