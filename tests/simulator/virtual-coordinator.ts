/**
 * The coordinator on virtual time: the real core and the loop's own turns on the model store, with the process's faults
 * (death before or after a commit, suspension, a disk that is low or full) and what the loop does about them.
 */
import { makeOutgoing, type Outgoing } from '@rma/server/core/effects';
import type { CoreMessage, HelloInput, Input } from '@rma/server/core/inputs';
import { endReadOnly } from '@rma/server/core/read-only';
import { restore } from '@rma/server/core/restore';
import type { CoreSettings } from '@rma/server/core/settings';
import type { State } from '@rma/server/core/state';
import { ActiveTime } from '@rma/server/runtime/clock';
import { IDLE_TURN_MS, runTurnSync, Turns } from '@rma/server/runtime/turn';
import { StorageFull } from '@rma/server/store/store';
import type { Random } from '../fuzz/random.js';
import type { EventQueue } from './event-queue.js';
import type { ModelStore } from './model-store.js';
import { type Connection, isReport, type VirtualPeer } from './virtual-peer.js';

/** 1 February 2026, 12:00 UTC. */
export const START_MS = Date.UTC(2026, 1, 1, 12);
const BUILT_IN_KINDS = ['echo'];
/** In read-only mode, between two attempts to write. */
const RETRY_MS = 1_000;
const FRAME_BYTES = 60;

export type Disk = 'ok' | 'low' | 'full';
export type CrashPoint = 'before commit' | 'after commit';

export interface CoordinatorPorts {
  readonly queue: EventQueue;
  readonly random: Random;
  readonly store: ModelStore;
  readonly settings: Partial<CoreSettings>;
  /** What a turn sends to a session, after its commit. */
  readonly onSent: (peer: VirtualPeer, outgoing: Outgoing) => void;
  readonly onTurn: () => void;
}

class Crash extends Error {}

export class VirtualCoordinator {
  readonly #ports: CoordinatorPorts;
  readonly connections = new Map<number, { connection: Connection; peer: VirtualPeer }>();
  state: State;
  isUp = true;
  disk: Disk = 'ok';
  #turns: Turns;
  /** What the core's deadlines are counted in. */
  #active: ActiveTime;
  #inbox: Input[] = [];
  #sessions = 0;
  #suspendedUntilMs = 0;
  #crash: CrashPoint | undefined;
  #retryAtMs = 0;
  #announcedFull = false;
  /** Added to the wall clock: somebody set it. */
  wallSkewMs = 0;
  /** When its last fault ended, or will end. */
  faultUntilMs = Number.NEGATIVE_INFINITY;
  /** The next turn's time; an earlier plan is void. */
  #turnAtMs = Number.POSITIVE_INFINITY;
  #freeAtMs = 0;

  constructor(ports: CoordinatorPorts) {
    this.#ports = ports;
    this.#turns = this.#makeTurns();
    this.#active = this.#makeActiveTime();
    this.state = this.#restore();
    this.#schedule(0);
  }

  #makeActiveTime(): ActiveTime {
    return new ActiveTime({ nowMs: () => this.#ports.queue.nowMs, wallMs: () => this.wallMs });
  }

  get wallMs(): number {
    return START_MS + Math.floor(this.#ports.queue.nowMs + this.wallSkewMs);
  }

  get isSuspended(): boolean {
    return this.#suspendedUntilMs > this.#ports.queue.nowMs;
  }

  /** Nobody hears anything of it. */
  get isSilent(): boolean {
    return !this.isUp || this.isSuspended;
  }

  accept(peer: VirtualPeer, open: (session: number) => Connection): Connection {
    const connection = open(++this.#sessions);
    this.connections.set(connection.session, { connection, peer });
    return connection;
  }

  arrived(connection: Connection, message: CoreMessage | Omit<HelloInput, 'session'> | 'closed'): void {
    const { session } = connection;
    if (!this.connections.has(session)) return;
    if (message === 'closed') {
      this.#ended(connection, 'gone');
      return;
    }
    connection.arrived++;
    if (message.type === 'hello') {
      this.#push({ ...message, session });
      return;
    }
    if (isReport(message)) connection.reportsArrived++;
    this.#push({ type: 'message', session, message });
  }

  /** Silence of a peer: its connection is dead. */
  hearsNothingOf(connection: Connection): void {
    if (!this.connections.has(connection.session)) return;
    connection.up.cut();
    connection.down.send('closed', FRAME_BYTES);
    this.#ended(connection, 'silent');
  }

  #ended({ session }: Connection, reason: string): void {
    this.connections.delete(session);
    this.#push({ type: 'closed', session, reason });
  }

  #push(input: Input): void {
    this.#inbox.push(input);
    this.#schedule(this.#ports.random.next() * 2);
  }

  #schedule(ms: number): void {
    const { queue } = this.#ports;
    const atMs = Math.max(queue.nowMs + ms, this.#freeAtMs, this.#suspendedUntilMs);
    if (!this.isUp || atMs >= this.#turnAtMs) return;
    this.#turnAtMs = atMs;
    queue.at(atMs, () => {
      if (this.#turnAtMs !== atMs || !this.isUp) return;
      this.#turnAtMs = Number.POSITIVE_INFINITY;
      if (this.isSuspended) this.#schedule(0);
      else this.#turn();
    });
  }

  #turn(): void {
    const { queue, random, onTurn } = this.#ports;
    try {
      const nowMs = this.#active.nowMs();
      if (this.#active.takeStall()) this.#inbox.unshift({ type: 'stalled' });
      const readOnly = this.state.readOnly && !this.#tryToWrite(nowMs);
      const time = { nowMs, wallMs: this.wallMs, random: random.next() };
      const { state } = this;
      const arrived = this.#take();
      runTurnSync(readOnly ? this.#turns.readOnlyTurn(state, arrived, time) : this.#turns.turn(state, arrived, time));
    } catch (error) {
      if (error instanceof Crash) return;
      if (!(error instanceof StorageFull)) throw error;
      this.#rebuild();
    }
    onTurn();
    this.#freeAtMs = queue.nowMs + 0.2 + random.next() * (random.chance(0.01) ? 100 : 1);
    this.#schedule(this.#inbox.length > 0 || this.#turns.hasClaimed ? 0 : IDLE_TURN_MS);
  }

  /** What a turn does not take, since it needs too many rows, waits for the next. */
  *#take(): Generator<Input, void, undefined> {
    const arrived = this.#inbox;
    let taken = 0;
    try {
      while (taken < arrived.length) yield arrived[taken++]!;
    } finally {
      if (this.#inbox === arrived) this.#inbox = arrived.slice(taken);
    }
  }

  #makeTurns(): Turns {
    const { store } = this.#ports;
    return new Turns({
      store: {
        fetch: (ids) => store.fetch(ids),
        findBlob: () => undefined,
        due: (wallMs, limit) => store.due(wallMs, limit),
        claim: (lane, after, tasks, bytes) => store.claim(lane, after, tasks, bytes),
        commit: (persist) => {
          if (this.#crash === 'before commit') throw new Crash();
          store.commit(persist);
        },
      },
      perform: ({ outgoing }) => {
        if (this.#crash) throw new Crash();
        for (const [session, its] of outgoing) this.#send(session, its);
      },
      onTick: () => this.#storageChanges(),
    });
  }

  #send(session: number, outgoing: Outgoing): void {
    const open = this.connections.get(session);
    if (!open) return;
    const { connection, peer } = open;
    this.#ports.onSent(peer, outgoing);
    connection.down.send({ outgoing, reports: connection.reportsArrived }, bytesOf(outgoing));
    if (outgoing.close) this.connections.delete(session);
  }

  /** The process dies, in its next turn, and is started again after a while. */
  crash(at: CrashPoint, downMs: number): void {
    if (!this.isUp || this.isSuspended) return;
    this.#crash = at;
    this.#turn();
    this.#crash = undefined;
    this.isUp = false;
    this.faultUntilMs = this.#ports.queue.nowMs + downMs;
    this.#inbox = [];
    this.#turnAtMs = Number.POSITIVE_INFINITY;
    for (const { peer } of [...this.connections.values()]) peer.cut();
    this.connections.clear();
    this.#ports.queue.after(downMs, () => {
      this.isUp = true;
      this.#turns = this.#makeTurns();
      this.#active = this.#makeActiveTime();
      this.state = this.#restore();
      this.#announcedFull = false;
      this.#schedule(0);
    });
  }

  /** The process stands still: what arrives waits in the sockets. */
  suspend(ms: number): void {
    if (!this.isUp) return;
    const untilMs = this.#ports.queue.nowMs + ms;
    this.#suspendedUntilMs = Math.max(this.#suspendedUntilMs, untilMs);
    this.faultUntilMs = Math.max(this.faultUntilMs, untilMs);
    for (const { peer } of this.connections.values()) peer.hearsNothing();
  }

  setDisk(disk: Disk): void {
    this.disk = disk;
    this.#ports.store.isFull = disk === 'full';
    if (disk === 'ok') this.faultUntilMs = Math.max(this.faultUntilMs, this.#ports.queue.nowMs);
  }

  #restore(): State {
    const { store, settings } = this.#ports;
    return restore(store.load(), settings, BUILT_IN_KINDS, this.#active.nowMs());
  }

  /** As the loop does when a commit found no room: memory is ahead of the disk. */
  #rebuild(): void {
    this.state = this.#restore();
    this.state.storageFull = true;
    this.state.readOnly = true;
    this.#retryAtMs = this.#ports.queue.nowMs;
    this.#announcedFull = false;
    this.#turns.reset();
    for (const { connection } of this.connections.values()) {
      connection.up.cut();
      connection.down.send('closed', FRAME_BYTES);
    }
    this.connections.clear();
    this.#inbox = [];
    this.faultUntilMs = Math.max(this.faultUntilMs, this.#ports.queue.nowMs);
  }

  /** @param activeMs of the core's clock */
  #tryToWrite(activeMs: number): boolean {
    const { nowMs } = this.#ports.queue;
    this.faultUntilMs = Math.max(this.faultUntilMs, nowMs);
    if (nowMs < this.#retryAtMs) return false;
    this.#retryAtMs = nowMs + RETRY_MS;
    if (this.#ports.store.isFull) return false;
    endReadOnly(this.state, activeMs);
    return true;
  }

  #storageChanges(): Input[] {
    const { storageFull } = this.state;
    const full = this.disk !== 'ok';
    const changes: Input[] = [];
    if (storageFull && !this.#announcedFull) changes.push({ type: 'storage', full: true });
    if (full !== storageFull) changes.push({ type: 'storage', full });
    this.#announcedFull = full;
    return changes;
  }
}

const LISTS = Object.keys(makeOutgoing()) as (keyof Outgoing)[];

/** About the bytes on the wire. */
function bytesOf(outgoing: Outgoing): number {
  let bytes = FRAME_BYTES;
  for (const { input } of outgoing.dispatches) bytes += input.length;
  for (const { output } of outgoing.ended) bytes += output?.length ?? 0;
  for (const { data } of outgoing.chunks) bytes += data.length;
  for (const name of LISTS) {
    const value = outgoing[name];
    if (Array.isArray(value)) bytes += value.length * FRAME_BYTES;
  }
  return bytes;
}
