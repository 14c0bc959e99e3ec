/**
 * A topic: one live view, whoever looks at it. It is told of every step, answers with a snapshot, and gives what changed
 * since it was last asked as a value that can be merged with a later one. Nothing here sends.
 */
import type { Down } from '@rma/protocol/down';
import type { TOPIC_MESSAGES } from '@rma/protocol/topic';
import type { Effects } from '../core/effects.js';
import type { State } from '../core/state.js';

export type TopicMessage = Extract<Down, { type: keyof typeof TOPIC_MESSAGES }>;

/** What a step did, and when. */
export interface Seen {
  readonly effects: Effects;
  readonly state: State;
  readonly wallMs: number;
}

/** `Change` holds values, never differences: a merge of two is what the later says, beside what only the earlier does. */
export interface Topic<Change> {
  readonly key: string;
  /** After every commit: notes what concerns the topic, and no more than that. Must be cheap. */
  observe(seen: Seen): void;
  /** What the topic shows now, in messages of which the first says `snapshot`. */
  snapshot(state: State, wallMs: number): TopicMessage[] | Promise<TopicMessage[]>;
  /** What changed since the last call, or undefined; asked about four times a second. */
  takeChange(state: State, wallMs: number): Change | undefined;
  merge(earlier: Change, later: Change): Change;
  messages(change: Change): TopicMessage[];
  /** How many items a change holds: a large one is sent less often. */
  sizeOf(change: Change): number;
}
