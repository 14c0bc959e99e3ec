/**
 * What clients and workers share: a machine with a line, a process on it that dials, says hello, and dials again with full
 * jitter (PROTOCOL.md, Reconnecting), and the faults that both can have.
 */
import { reconnectDelayMs } from '@rma/protocol/backoff';
import { SILENCE_MS } from '@rma/protocol/liveness';
import type { Outgoing } from '@rma/server/core/effects';
import type { CoreMessage, HelloInput } from '@rma/server/core/inputs';
import { Random } from '../fuzz/random.js';
import { type Line, Pipe } from './pipe.js';
import type { World } from './world.js';

/** A `welcome` that does not come within this is a dial that failed. */
const WELCOME_MS = 20_000;
const FRAME_BYTES = 60;

/** What one turn sent, and how many reports of the worker it knew; or the end of the connection. */
export type Down = { readonly outgoing: Outgoing; readonly reports: number } | 'closed';

export interface Connection {
  readonly session: number;
  readonly up: Pipe<CoreMessage | Omit<HelloInput, 'session'> | 'closed'>;
  readonly down: Pipe<Down>;
  /** Messages that the peer sent, and those of them that arrived: the next turn takes them all. */
  sent: number;
  arrived: number;
  /** The same of what changes what a worker may get. */
  reportsSent: number;
  reportsArrived: number;
}

export const isReport = ({ type }: CoreMessage): boolean => type === 'services' || type === 'drain';

export interface LineTraits {
  readonly bytesPerMs: number;
  readonly latencyMs: number;
}

export abstract class VirtualPeer {
  readonly world: World;
  readonly random: Random;
  readonly line: Line;
  connection: Connection | undefined;
  isWelcomed = false;
  /** Its program runs. */
  isUp = false;
  /** Counts the program's starts: what an earlier one had scheduled is void. */
  protected life = 0;
  #suspendedUntilMs = 0;
  /** When its last own fault (suspension, partition, death) ended, or will end. */
  #faultUntilMs = Number.NEGATIVE_INFINITY;
  #failedDials = 0;
  #offlineSinceMs = 0;

  constructor(world: World, seed: number, line: LineTraits) {
    this.world = world;
    this.random = new Random(seed);
    this.line = { ...line, blockedUntilMs: 0 };
  }

  protected abstract hello(): Omit<HelloInput, 'session'>;
  protected abstract received(outgoing: Outgoing, reports: number): void;

  /** Whether it had a fault of its own within the last minute. */
  wasAtFault(): boolean {
    return this.#faultUntilMs > this.world.queue.nowMs - 60_000;
  }

  protected start(): void {
    this.isUp = true;
    this.life++;
    this.#offlineSinceMs = this.world.queue.nowMs;
    this.#failedDials = 0;
    this.#dial();
  }

  /** Runs something of this life of the program, and not while that is suspended. */
  protected later(ms: number, run: () => void): void {
    const { life } = this;
    const guarded = (): void => {
      if (life !== this.life) return;
      if (this.#suspendedUntilMs > this.world.queue.nowMs) this.world.queue.at(this.#suspendedUntilMs, guarded);
      else run();
    };
    this.world.queue.after(ms, guarded);
  }

  #dial(): void {
    if (!this.isUp || this.connection) return;
    const { queue } = this.world;
    if (this.line.blockedUntilMs > queue.nowMs || !this.world.coordinator.isUp) {
      this.#redial();
      return;
    }
    const connection = this.world.coordinator.accept(this, (session) => this.#open(session));
    this.connection = connection;
    const input = this.hello();
    const attempts = (input.message.worker?.running.length ?? 0) + (input.message.worker?.finished.length ?? 0);
    connection.up.send(input, 400 + attempts * FRAME_BYTES);
    connection.sent++;
    this.later(WELCOME_MS, () => {
      if (this.connection === connection && !this.isWelcomed) this.hangUp();
    });
  }

  #open(session: number): Connection {
    const { queue, coordinator } = this.world;
    const connection: Connection = {
      session,
      sent: 0,
      arrived: 0,
      reportsSent: 0,
      reportsArrived: 0,
      up: new Pipe(queue, this.line, (message) => coordinator.arrived(connection, message)),
      down: new Pipe(queue, this.line, (item) => this.#arrived(connection, item)),
    };
    return connection;
  }

  #arrived(connection: Connection, item: Down): void {
    if (this.#suspendedUntilMs > this.world.queue.nowMs) {
      this.later(0, () => this.#arrived(connection, item));
      return;
    }
    if (this.connection !== connection) return;
    if (item === 'closed') {
      this.#drop();
      return;
    }
    if (item.outgoing.welcome) {
      this.isWelcomed = true;
      this.#failedDials = 0;
    }
    this.received(item.outgoing, item.reports);
    if (item.outgoing.close) this.#drop();
  }

  #drop(): void {
    this.connection?.up.cut();
    this.connection?.down.cut();
    this.connection = undefined;
    if (this.isWelcomed) this.#offlineSinceMs = this.world.queue.nowMs;
    this.isWelcomed = false;
    this.#redial();
  }

  #redial(): void {
    if (!this.isUp) return;
    const offlineMs = this.world.queue.nowMs - this.#offlineSinceMs;
    const ms = reconnectDelayMs(this.#failedDials++, offlineMs, this.random.next());
    this.later(1 + ms + 2 * this.line.latencyMs, () => this.#dial());
  }

  /** Closes its side: what it had sent still arrives, and then the end. */
  hangUp(): void {
    const { connection } = this;
    if (!connection) return;
    connection.up.send('closed', FRAME_BYTES);
    connection.down.cut();
    this.connection = undefined;
    if (this.isWelcomed) this.#offlineSinceMs = this.world.queue.nowMs;
    this.isWelcomed = false;
    this.#redial();
  }

  protected send(message: CoreMessage, bytes = 0): void {
    const { connection } = this;
    if (!connection || !this.isWelcomed) return;
    connection.sent++;
    if (isReport(message)) connection.reportsSent++;
    connection.up.send(message, FRAME_BYTES + bytes);
  }

  /** Everything that either side sent has been taken, and both can go on. */
  get isInStep(): boolean {
    const { connection } = this;
    if (!connection || !this.isWelcomed || this.#suspendedUntilMs > this.world.queue.nowMs) return false;
    return connection.sent === connection.arrived && connection.down.isEmpty;
  }

  /** The connection is gone at once: the coordinator died. */
  cut(): void {
    if (this.connection) this.#drop();
  }

  /** Nothing passes for a while. What lasts longer than the silence that is allowed ends the connection on both sides. */
  partition(ms: number): void {
    const { queue } = this.world;
    const untilMs = queue.nowMs + ms;
    if (untilMs <= this.line.blockedUntilMs) return;
    this.line.blockedUntilMs = untilMs;
    this.#faultUntilMs = Math.max(this.#faultUntilMs, untilMs);
    if (ms <= SILENCE_MS) return;
    const { connection } = this;
    if (!connection) return;
    queue.after(SILENCE_MS + this.random.below(1_000), () => this.world.coordinator.hearsNothingOf(connection));
    this.later(SILENCE_MS + this.random.below(1_000), () => {
      if (this.connection !== connection) return;
      connection.up.cut();
      this.hangUp();
    });
  }

  /** The program stands still, and the machine goes on. */
  suspend(ms: number): void {
    const { queue } = this.world;
    this.#suspendedUntilMs = Math.max(this.#suspendedUntilMs, queue.nowMs + ms);
    this.#faultUntilMs = Math.max(this.#faultUntilMs, this.#suspendedUntilMs);
    const { connection } = this;
    if (ms > SILENCE_MS && connection) {
      queue.after(SILENCE_MS + this.random.below(1_000), () => this.world.coordinator.hearsNothingOf(connection));
    }
  }

  /** The coordinator says nothing for a while: the connection is taken for dead. */
  hearsNothing(): void {
    const { connection } = this;
    if (!connection) return;
    this.later(SILENCE_MS + this.random.below(1_000), () => {
      if (this.connection === connection && this.world.coordinator.isSilent) this.hangUp();
    });
  }

  /** The program ends, and the machine closes its connection; or `silently`, with the machine. */
  die(silently: boolean): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.life++;
    this.#faultUntilMs = Number.POSITIVE_INFINITY;
    const { connection } = this;
    if (silently) {
      connection?.up.cut();
      if (connection) this.world.queue.after(SILENCE_MS, () => this.world.coordinator.hearsNothingOf(connection));
    } else connection?.up.send('closed', FRAME_BYTES);
    connection?.down.cut();
    this.connection = undefined;
    this.isWelcomed = false;
  }

  /** The program is started anew after it died. */
  protected revived(): void {
    this.#faultUntilMs = this.world.queue.nowMs;
    this.#suspendedUntilMs = 0;
    this.line.blockedUntilMs = Math.min(this.line.blockedUntilMs, this.world.queue.nowMs);
    this.start();
  }

  /** Every fault of it is over. */
  protected heal(): void {
    this.line.blockedUntilMs = Math.min(this.line.blockedUntilMs, this.world.queue.nowMs);
    this.#suspendedUntilMs = Math.min(this.#suspendedUntilMs, this.world.queue.nowMs);
  }
}
