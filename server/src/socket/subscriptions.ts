/**
 * Event subscriptions. Live events go out by topic, encoded once for all who see the same; a subscriber that starts in
 * the past first gets the stored pages, then joins its topic without a gap.
 */
import { encodeDown } from '@rma/protocol/codec';
import { ProtocolError } from '@rma/protocol/error';
import type { PoolEvent } from '@rma/protocol/event';
import { SUBPROTOCOLS, type Subprotocol } from '@rma/protocol/version';
import type { EventRecord } from '../core/effects.js';
import type { QuerySource } from '../query/query.js';
import { fullEvent, visibleEvent } from '../query/visible.js';
import type { Connection } from './connection.js';
import type { Transport } from './transport.js';

const PAGE = 500;
const BACKLOG_BYTES = 1_048_576;

interface Audience {
  readonly role: string;
  readonly subject: string;
  readonly subscribers: Map<Subprotocol, Set<number>>;
}

export class Subscriptions {
  /** By what they see: all admins share one audience, each client subject has its own. */
  readonly #audiences = new Map<string, Audience>();
  readonly #joined = new Map<number, string>();
  /** Connections that are still reading the past. */
  readonly #catchingUp = new Map<number, AbortController>();

  constructor(
    private readonly transport: () => Transport,
    private readonly reader: QuerySource['reader'],
    private readonly lastEvent: () => number,
    private readonly nowMs: () => number,
  ) {}

  /** How many connections get events, or are about to. */
  get size(): number {
    return this.#joined.size + this.#catchingUp.size;
  }

  async subscribe(connection: Connection, ref: number, since: number | undefined): Promise<void> {
    this.unsubscribe(connection);
    const abort = new AbortController();
    this.#catchingUp.set(connection.id, abort);
    const last = this.lastEvent();
    if (since !== undefined && since > last) {
      this.#catchingUp.delete(connection.id);
      throw new ProtocolError('invalid', `there is no event ${since} yet, the last is ${last}`, '/since');
    }
    connection.send({ type: 'reply', ref, result: { last } }, this.nowMs());
    let at = since ?? last;
    while (at < this.lastEvent()) {
      const asked = this.lastEvent();
      const page = await this.reader.events(at, PAGE);
      if (abort.signal.aborted) return;
      // What was pruned leaves a gap: go on from what there was when it was asked for.
      at = page.events.length === 0 ? asked : page.last;
      const events = page.events.flatMap((event) => visibleEvent(event, this.#asker(connection)) ?? []);
      if (events.length > 0) connection.send({ type: 'events', events }, this.nowMs());
      while (connection.socket.bufferedBytes > BACKLOG_BYTES && !abort.signal.aborted) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      if (abort.signal.aborted) return;
    }
    this.#catchingUp.delete(connection.id);
    this.#join(connection);
  }

  unsubscribe(connection: Connection): void {
    this.#catchingUp.get(connection.id)?.abort();
    this.#catchingUp.delete(connection.id);
    const key = this.#joined.get(connection.id);
    if (key === undefined) return;
    this.#joined.delete(connection.id);
    const audience = this.#audiences.get(key);
    audience?.subscribers.get(connection.subprotocol)?.delete(connection.id);
    connection.socket.unsubscribe(`${key} ${connection.subprotocol}`);
    if (audience && [...audience.subscribers.values()].every((ids) => ids.size === 0)) this.#audiences.delete(key);
  }

  /** Called from the loop's perform step, never inside a socket's handler. */
  publish(events: readonly EventRecord[]): void {
    if (events.length === 0) return;
    for (const [key, { role, subject, subscribers }] of this.#audiences) {
      const seen: PoolEvent[] =
        role === 'admin'
          ? events.map(fullEvent)
          : events.flatMap((event) => visibleEvent(event, { role, subject }) ?? []);
      if (seen.length === 0) continue;
      for (const subprotocol of SUBPROTOCOLS) {
        if (!subscribers.get(subprotocol)?.size) continue;
        for (let from = 0; from < seen.length; from += PAGE) {
          const part = seen.slice(from, from + PAGE);
          this.transport().publish(`${key} ${subprotocol}`, encodeDown({ type: 'events', events: part }, subprotocol));
        }
      }
    }
  }

  #asker(connection: Connection): { role: string; subject: string } {
    return { role: connection.role ?? '', subject: connection.subject };
  }

  #join(connection: Connection): void {
    const asker = this.#asker(connection);
    const key = asker.role === 'admin' ? 'events' : `events of ${asker.subject}`;
    let audience = this.#audiences.get(key);
    if (!audience) {
      audience = { ...asker, subscribers: new Map(SUBPROTOCOLS.map((name) => [name, new Set<number>()])) };
      this.#audiences.set(key, audience);
    }
    audience.subscribers.get(connection.subprotocol)!.add(connection.id);
    connection.socket.subscribe(`${key} ${connection.subprotocol}`);
    this.#joined.set(connection.id, key);
  }
}
