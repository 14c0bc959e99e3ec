/**
 * The event stream: the subscription `events`. New events are published on a channel, encoded once for all subscribers
 * that see the same; one that starts in the past first gets the stored pages, then joins its channel without a gap.
 */
import { encodeDown } from '@rma/protocol/codec';
import { ProtocolError } from '@rma/protocol/error';
import type { PoolEvent } from '@rma/protocol/event';
import { SUBPROTOCOLS, type Subprotocol } from '@rma/protocol/version';
import type { EventRecord } from '../core/effects.js';
import type { QuerySource } from '../query/query.js';
import { fullEvent, type Viewer, visibleEvent } from '../query/visible.js';
import type { Connection } from './connection.js';

const PAGE = 500;
/** Bytes buffered for a subscriber above which it gets no further page of the past. */
const BACKLOG_BYTES = 1_048_576;
const BACKLOG_POLL_MS = 20;

/** Subscribers that see the same events. */
interface Audience {
  readonly viewer: Viewer;
  readonly subscribers: Map<Subprotocol, Set<number>>;
}

export interface EventStreamOptions {
  readonly reader: Pick<QuerySource['reader'], 'as'>;
  /** The number of the newest event that is on disk. */
  readonly lastEvent: () => number;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  /** Sends a frame to all sockets that subscribed to a channel. */
  readonly publish: (channel: string, frame: string | Uint8Array) => void;
}

export class EventStream {
  readonly #options: EventStreamOptions;
  /** By channel: all admins share one audience, each client subject has its own. */
  readonly #audiences = new Map<string, Audience>();
  /** The channel of each connection that has caught up. */
  readonly #joined = new Map<number, string>();
  /** Connections that are still being sent the past. */
  readonly #catchingUp = new Map<number, AbortController>();

  constructor(options: EventStreamOptions) {
    this.#options = options;
  }

  /** @throws ProtocolError of kind `invalid` for a number that no event has yet */
  async subscribe(connection: Connection, ref: number, since: number | undefined): Promise<void> {
    const { lastEvent, nowMs, reader } = this.#options;
    this.unsubscribe(connection);
    const last = lastEvent();
    if (since !== undefined && since > last) {
      throw new ProtocolError('invalid', `there is no event ${since} yet, the last is ${last}`, '/since');
    }
    const abort = new AbortController();
    this.#catchingUp.set(connection.id, abort);
    connection.send({ type: 'reply', ref, result: { last } }, nowMs());
    let at = since ?? last;
    while (at < lastEvent()) {
      const newest = lastEvent();
      const page = await reader.as(connection.id).events(at, PAGE);
      if (abort.signal.aborted) return;
      // Pruned events leave a gap: continue behind the newest event of when the page was requested.
      at = page.events.length === 0 ? newest : page.last;
      const events = page.events.flatMap((event) => visibleEvent(event, connection.viewer) ?? []);
      if (events.length > 0) connection.send({ type: 'events', events }, nowMs());
      while (connection.socket.bufferedBytes > BACKLOG_BYTES && !abort.signal.aborted) {
        await new Promise((resolve) => setTimeout(resolve, BACKLOG_POLL_MS));
      }
      if (abort.signal.aborted) return;
    }
    // No await between the last comparison and this: no event can come in between.
    this.#catchingUp.delete(connection.id);
    this.#join(connection);
  }

  unsubscribe(connection: Connection): void {
    this.#catchingUp.get(connection.id)?.abort();
    this.#catchingUp.delete(connection.id);
    const channel = this.#joined.get(connection.id);
    if (channel === undefined) return;
    this.#joined.delete(connection.id);
    const audience = this.#audiences.get(channel);
    audience?.subscribers.get(connection.subprotocol)?.delete(connection.id);
    connection.socket.unsubscribe(`${channel} ${connection.subprotocol}`);
    if (audience && [...audience.subscribers.values()].every((ids) => ids.size === 0)) this.#audiences.delete(channel);
  }

  /** Called from the loop's perform step, never inside a socket's handler. */
  publish(events: readonly EventRecord[]): void {
    if (events.length === 0) return;
    for (const [channel, { viewer, subscribers }] of this.#audiences) {
      const visible: PoolEvent[] =
        viewer.role === 'admin' ? events.map(fullEvent) : events.flatMap((event) => visibleEvent(event, viewer) ?? []);
      for (const subprotocol of SUBPROTOCOLS) {
        if (!subscribers.get(subprotocol)?.size) continue;
        for (let from = 0; from < visible.length; from += PAGE) {
          const page = visible.slice(from, from + PAGE);
          this.#options.publish(`${channel} ${subprotocol}`, encodeDown({ type: 'events', events: page }, subprotocol));
        }
      }
    }
  }

  #join(connection: Connection): void {
    const { viewer } = connection;
    const channel = viewer.role === 'admin' ? 'events' : `events of ${viewer.subject}`;
    let audience = this.#audiences.get(channel);
    if (!audience) {
      audience = { viewer, subscribers: new Map(SUBPROTOCOLS.map((name) => [name, new Set<number>()])) };
      this.#audiences.set(channel, audience);
    }
    audience.subscribers.get(connection.subprotocol)!.add(connection.id);
    connection.socket.subscribe(`${channel} ${connection.subprotocol}`);
    this.#joined.set(connection.id, channel);
  }
}
