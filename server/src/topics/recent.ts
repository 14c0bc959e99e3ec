/**
 * The topic `recent`: a readable sample of the events. A change holds the newest few and the number of those left out;
 * task events and all others are limited apart, so that frequent types never displace rare ones.
 */
import { defined } from '@rma/protocol/defined';
import { matchesEventTypes, type PoolEvent } from '@rma/protocol/event';
import type { EventRecord } from '../core/effects.js';
import type { State } from '../core/state.js';
import { type Viewer, visibleEvent } from '../query/visible.js';
import type { Reads } from '../store/reader.js';
import type { Commit, Topic, TopicMessage } from './topic.js';

/** Events in a snapshot, and in merged changes. */
const SHOWN = 60;
/** Events in a change: about tasks, and all others. */
const NEWEST_OF_TASKS = 12;
const NEWEST_OF_OTHERS = 24;

export interface RecentChange {
  readonly events: readonly PoolEvent[];
  readonly omitted: number;
}

/** An event matches all given fields. */
export interface RecentFilter {
  /** Types, or prefixes of types that end with a dot. */
  readonly types?: readonly string[];
  readonly subject?: string;
  /** Only events that an actor caused. */
  readonly audit?: boolean;
}

export class RecentTopic implements Topic<RecentChange> {
  readonly key: string;
  readonly #filter: RecentFilter;
  readonly #viewer: Viewer;
  readonly #reader: Pick<Reads, 'history'>;
  #ofTasks: EventRecord[] = [];
  #ofOthers: EventRecord[] = [];
  #omitted = 0;

  /** @param viewer decides which events and fields are visible, see query/visible.ts */
  constructor({ types, subject, audit }: RecentFilter, viewer: Viewer, reader: Pick<Reads, 'history'>) {
    this.#filter = defined({ types: types && [...new Set(types)].sort(), subject, audit: audit || undefined });
    this.#viewer = viewer;
    this.#reader = reader;
    this.key = `recent ${JSON.stringify([viewer.role === 'admin' ? 0 : viewer.subject, this.#filter])}`;
  }

  observe({ effects }: Commit): void {
    for (const event of effects.persist.events) {
      if (!this.#matches(event)) continue;
      const isOfTask = event.task !== 0;
      const kept = isOfTask ? this.#ofTasks : this.#ofOthers;
      kept.push(event);
      // Trimmed at eight times the limit: the cost per event stays constant.
      const newest = isOfTask ? NEWEST_OF_TASKS : NEWEST_OF_OTHERS;
      if (kept.length >= newest * 8) this.#omitted += kept.splice(0, kept.length - newest).length;
    }
  }

  async snapshot(_state: State, _wallMs: number): Promise<TopicMessage[]> {
    const { role, subject } = this.#viewer;
    const { events } = await this.#reader.history({
      limit: SHOWN,
      ...this.#filter,
      ...(role === 'admin' ? {} : { owner: subject }),
    });
    const seen = events.flatMap((event) => visibleEvent(event, this.#viewer) ?? []).reverse();
    return [{ type: 'recent', key: this.key, snapshot: true, events: seen }];
  }

  takeChange(_state: State, _wallMs: number): RecentChange | undefined {
    if (this.#ofTasks.length === 0 && this.#ofOthers.length === 0 && this.#omitted === 0) return undefined;
    const tasks = this.#ofTasks.slice(-NEWEST_OF_TASKS);
    const others = this.#ofOthers.slice(-NEWEST_OF_OTHERS);
    const omitted = this.#omitted + this.#ofTasks.length - tasks.length + this.#ofOthers.length - others.length;
    this.#ofTasks = [];
    this.#ofOthers = [];
    this.#omitted = 0;
    const events = [...tasks, ...others].sort((a, b) => a.seq - b.seq);
    return { events: events.flatMap((event) => visibleEvent(event, this.#viewer) ?? []), omitted };
  }

  merge(earlier: RecentChange, later: RecentChange): RecentChange {
    const events = [...earlier.events, ...later.events];
    const over = Math.max(0, events.length - SHOWN);
    return { events: events.slice(over), omitted: earlier.omitted + later.omitted + over };
  }

  messages({ events, omitted }: RecentChange): TopicMessage[] {
    return [{ type: 'recent', key: this.key, events: [...events], ...(omitted > 0 ? { omitted } : {}) }];
  }

  sizeOf({ events }: RecentChange): number {
    return events.length;
  }

  #matches(event: EventRecord): boolean {
    const { type } = event;
    const { types, subject, audit } = this.#filter;
    const isWanted =
      matchesEventTypes(type, types) &&
      (subject === undefined || event.subject === subject) &&
      (audit === undefined || event.data?.by !== undefined);
    return isWanted && (this.#viewer.role === 'admin' || visibleEvent(event, this.#viewer) !== undefined);
  }
}
