/**
 * The topic `recent`: what happens, as much of it as a person can read. However many events there are, a change holds
 * the newest few and the number of the others; what is rare is not pushed out by what is not.
 */
import type { PoolEvent } from '@rma/protocol/event';
import type { EventRecord } from '../core/effects.js';
import type { State } from '../core/state.js';
import { visibleEvent } from '../query/visible.js';
import type { Reader } from '../store/reader.js';
import type { Seen, Topic, TopicMessage } from './topic.js';

/** In a snapshot. */
const SHOWN = 60;
/** In a change, of events about tasks and of all others. */
const NEWEST_OF_TASKS = 12;
const NEWEST_OF_OTHERS = 24;

export interface RecentChange {
  readonly events: readonly PoolEvent[];
  readonly omitted: number;
}

/** What to look at; all that is given must fit. */
export interface RecentFilter {
  /** Types, or beginnings of types that end with a dot. */
  readonly types?: readonly string[];
  readonly subject?: string;
  /** Events alone that somebody brought about. */
  readonly audit?: boolean;
}

export class RecentTopic implements Topic<RecentChange> {
  readonly key: string;
  readonly #filter: RecentFilter;
  readonly #asker: { readonly role: string; readonly subject: string };
  readonly #reader: Pick<Reader, 'history'>;
  #ofTasks: EventRecord[] = [];
  #ofOthers: EventRecord[] = [];
  #omitted = 0;

  /** @param asker who looks: a client sees less, see visible.ts */
  constructor(
    filter: RecentFilter,
    asker: { readonly role: string; readonly subject: string },
    reader: Pick<Reader, 'history'>,
  ) {
    const { types, subject, audit = false } = filter;
    this.#filter = {
      ...(types === undefined ? {} : { types: [...new Set(types)].sort() }),
      ...(subject === undefined ? {} : { subject }),
      ...(audit ? { audit } : {}),
    };
    this.#asker = asker;
    this.#reader = reader;
    this.key = `recent ${JSON.stringify([asker.role === 'admin' ? 0 : asker.subject, this.#filter])}`;
  }

  observe({ effects }: Seen): void {
    for (const event of effects.persist.events) {
      if (!this.#fits(event)) continue;
      const isOfTask = event.task !== 0;
      const kept = isOfTask ? this.#ofTasks : this.#ofOthers;
      kept.push(event);
      // Cut now and then rather than at every event.
      const newest = isOfTask ? NEWEST_OF_TASKS : NEWEST_OF_OTHERS;
      if (kept.length >= newest * 8) this.#omitted += kept.splice(0, kept.length - newest).length;
    }
  }

  async snapshot(_state: State, _wallMs: number): Promise<TopicMessage[]> {
    const { role, subject } = this.#asker;
    const { events } = await this.#reader.history({
      limit: SHOWN,
      ...this.#filter,
      ...(role === 'admin' ? {} : { owner: subject }),
    });
    const seen = events.flatMap((event) => visibleEvent(event, this.#asker) ?? []).reverse();
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
    return { events: events.flatMap((event) => visibleEvent(event, this.#asker) ?? []), omitted };
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

  #fits(event: EventRecord): boolean {
    const { type } = event;
    const { types, subject, audit } = this.#filter;
    const isAsked =
      (types === undefined ||
        types.some((asked) => type === asked || (asked.endsWith('.') && type.startsWith(asked)))) &&
      (subject === undefined || event.subject === subject) &&
      (audit === undefined || event.data?.by !== undefined);
    return isAsked && (this.#asker.role === 'admin' || visibleEvent(event, this.#asker) !== undefined);
  }
}
