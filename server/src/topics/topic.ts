/**
 * A topic: one live view, however many subscribers it has. It observes every commit, makes a snapshot, and gives what
 * changed since it was last asked as a value that can be merged with a later one. It sends nothing itself.
 */
import type { Down } from '@rma/protocol/down';
import type { LiveTopicName } from '@rma/protocol/topic';
import type { Effects } from '../core/effects.js';
import type { State } from '../core/state.js';

export type TopicMessage = Extract<Down, { type: LiveTopicName }>;

/** What one commit changed, the state after it, and when it was. */
export interface Commit {
  readonly effects: Effects;
  readonly state: State;
  readonly wallMs: number;
}

/** A `Change` holds values, never differences: merge(a, b) is b's values, and a's where b has none. */
export interface Topic<Change> {
  /** Equal for equal views: subscribers of one key share the topic. */
  readonly key: string;
  /** After every commit: records what concerns the topic, in O(effects of the commit). */
  observe(commit: Commit): void;
  /** The whole view, in messages of which the first has `snapshot`. */
  snapshot(state: State, wallMs: number): TopicMessage[] | Promise<TopicMessage[]>;
  /** What changed since the last call, or undefined; called about four times a second. */
  takeChange(state: State, wallMs: number): Change | undefined;
  merge(earlier: Change, later: Change): Change;
  messages(change: Change): TopicMessage[];
  /** Items in a change: large ones are sent less often. */
  sizeOf(change: Change): number;
}
