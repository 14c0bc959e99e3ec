/**
 * The shell around the session's machine: dials and closes as it says, tells it what became of that, and begins another
 * session after a rest. What is said in a session is its host's matter.
 */
import type { Down, DownOf } from '@rma/protocol/down';
import type { LinkEvents } from './link-options.js';
import { Session, type SessionEffect, type SessionStateName } from './session.js';
import { type Connection, dial } from './socket.js';

export interface SessionShellHost {
  readonly url: string;
  readonly events: Pick<LinkEvents, 'lost' | 'ended'>;
  /** Says hello. */
  greet(): void;
  heartbeat(): void;
  joined(welcome: DownOf<'welcome'>): void;
  received(frame: Uint8Array | string): void;
  /** There is no session any more. */
  offline(): void;
  /** Sends what waits to be sent, before a session is left. */
  flush(): void;
  /** Runs what a timer or the socket began; what that throws is the host's to handle. */
  guard(work: () => void): void;
}

export class SessionShell {
  readonly #host: SessionShellHost;
  #session = new Session();
  #connection: Connection | undefined;
  #resting = false;
  #leaving = false;
  #dialTimer: NodeJS.Timeout | undefined;

  constructor(host: SessionShellHost) {
    this.#host = host;
  }

  get state(): SessionStateName {
    return this.#session.state;
  }

  /** The connection now, if there is one. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** @param resting not to dial before `wake` */
  start(resting: boolean, nowMs: number): void {
    this.#resting = resting;
    if (!resting) this.#perform(this.#session.start(nowMs));
  }

  /** Ends the session; `wake` begins another. */
  rest(): void {
    if (this.#resting || this.#leaving) return;
    this.#resting = true;
    this.#host.flush();
    this.#perform(this.#session.leave(performance.now()));
  }

  /** Dials again. */
  wake(): void {
    if (!this.#resting || this.#leaving) return;
    this.#resting = false;
    if (this.#session.state === 'ended') this.#session = new Session();
    if (this.#session.state === 'new') this.#perform(this.#session.start(performance.now()));
  }

  /** Ends the session with 1000; `ended` follows. */
  leave(): void {
    this.#host.flush();
    this.#leaving = true;
    if (this.#session.state === 'ended') this.#host.events.ended({ cause: 'left' });
    else this.#perform(this.#session.leave(performance.now()));
  }

  /** Ends the session and says no more of it: its host tells why. */
  giveUp(): void {
    this.#resting = true;
    this.#perform(this.#session.leave(performance.now()));
  }

  /** Ends the connection and the timer, whatever goes on. */
  close(): void {
    clearTimeout(this.#dialTimer);
    this.#connection?.abandon(1000, 'done');
    this.#connection = undefined;
  }

  /** Any frame came. */
  heard(nowMs: number): void {
    this.#session.heard(nowMs);
  }

  /** Any frame was handed to the connection. */
  sent(nowMs: number): void {
    this.#session.sent(nowMs);
  }

  /** A message that may be about the session itself. */
  received(message: Down, nowMs: number): void {
    this.#perform(this.#session.received(message, nowMs));
  }

  /** To be called about once a second. `lagMs`: by how much this call is late. */
  tick(nowMs: number, lagMs: number): void {
    this.#perform(this.#session.tick(nowMs, lagMs, Math.random()));
  }

  #perform(effects: readonly SessionEffect[]): void {
    for (const effect of effects) this.#performOne(effect);
  }

  #performOne(effect: SessionEffect): void {
    const host = this.#host;
    switch (effect.do) {
      case 'dial':
        this.#dialTimer = setTimeout(() => host.guard(() => this.#dial()), effect.afterMs);
        return;
      case 'greet':
        host.greet();
        return;
      case 'heartbeat':
        host.heartbeat();
        return;
      case 'close':
        this.#connection?.close(effect.code, effect.reason);
        return;
      case 'abandon':
        this.#connection?.abandon(effect.code, effect.reason);
        this.#connection = undefined;
        return;
      case 'joined':
        host.joined(effect.welcome);
        return;
      case 'lost':
        host.offline();
        host.events.lost(effect);
        return;
      case 'end':
        host.offline();
        clearTimeout(this.#dialTimer);
        if (effect.end.cause === 'refused' || this.#leaving) host.events.ended(effect.end);
        else if (!this.#resting) {
          // Woken while it was leaving.
          this.#session = new Session();
          this.#perform(this.#session.start(performance.now()));
        }
    }
  }

  #dial(): void {
    this.#session.dialled();
    let mine: Connection | undefined;
    const current = (work: () => void): void => {
      if (mine !== undefined && mine === this.#connection) this.#host.guard(work);
    };
    mine = dial(this.#host.url, {
      opened: () => current(() => this.#perform(this.#session.opened(performance.now()))),
      frame: (frame) => current(() => this.#host.received(frame)),
      closed: (code, detail) =>
        current(() => {
          this.#connection = undefined;
          this.#perform(this.#session.closed(code, detail, performance.now(), Math.random()));
        }),
    });
    this.#connection = mine;
  }
}
