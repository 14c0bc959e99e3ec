/**
 * Connections that have not said hello, and hellos that failed: both are free for whoever can reach this address, so both
 * are bounded. Nobody who says hello at once, with a valid credential, is turned away for what others of its address do:
 * there is no limit on dialling, those that linger make room, the oldest of the busiest address first.
 */
import type { Connection } from './connection.js';

/** At once; a pool that comes back after a restart has thousands for a moment, each some 3 KiB. */
const MAX_GREETINGS = 8_192;
/** One that takes longer than this lingers: a hello needs one round trip after the upgrade. */
const LINGER_MS = 2_000;
/** Lingering ones over all. Each may hold a frame that it does not end, so this bounds what those take. */
export const MAX_LINGERING = 64;
/** Failed hellos of one address in a window that are answered; the rest are cut without a word. */
const MAX_FAILURES = 64;
const FAILURE_WINDOW_MS = 10_000;

export class Greetings {
  /** By address; each in the order of arrival, with when it came. */
  readonly #byAddress = new Map<string, Map<Connection, number>>();
  /** By how much this side was late so far: what came meanwhile was not read, so that time counts against nobody. */
  #lateMs = 0;
  readonly #maxLingeringPerAddress: number;
  #size = 0;
  #failures = new Map<string, number>();
  #failuresSinceMs = 0;

  constructor(maxLingeringPerAddress: number) {
    this.#maxLingeringPerAddress = maxLingeringPerAddress;
  }

  get size(): number {
    return this.#size;
  }

  /** @returns one that has to go instead; undefined: there is room */
  add(connection: Connection): Connection | undefined {
    const { remoteAddress } = connection.socket;
    const cameMs = connection.openedAtMs - this.#lateMs;
    const its = this.#byAddress.get(remoteAddress);
    if (its) its.set(connection, cameMs);
    else this.#byAddress.set(remoteAddress, new Map([[connection, cameMs]]));
    this.#size++;
    return this.#size > MAX_GREETINGS ? oldest(busiest(this.#byAddress.values())) : undefined;
  }

  /** It said hello, or has gone. */
  remove(connection: Connection): void {
    const { remoteAddress } = connection.socket;
    const its = this.#byAddress.get(remoteAddress);
    if (!its?.delete(connection)) return;
    this.#size--;
    if (its.size === 0) this.#byAddress.delete(remoteAddress);
  }

  /**
   * Those that linger beyond what may: of an address, and over all.
   * @param lagMs by how much this call is late
   */
  excess(nowMs: number, lagMs: number): Connection[] {
    this.#lateMs += lagMs;
    const latestMs = nowMs - this.#lateMs - LINGER_MS;
    const lingering: Map<Connection, number>[] = [];
    const excess: Connection[] = [];
    let left = 0;
    for (const all of this.#byAddress.values()) {
      const its = new Map([...all].filter(([_, cameMs]) => cameMs <= latestMs));
      while (its.size > this.#maxLingeringPerAddress) excess.push(takeOldest(its));
      left += its.size;
      if (its.size > 0) lingering.push(its);
    }
    for (; left > MAX_LINGERING; left--) excess.push(takeOldest(busiest(lingering)));
    return excess;
  }

  /** A hello of this address failed. @returns whether that is worth an answer */
  failed(address: string, nowMs: number): boolean {
    if (nowMs - this.#failuresSinceMs >= FAILURE_WINDOW_MS) {
      this.#failuresSinceMs = nowMs;
      this.#failures = new Map();
    }
    const failures = (this.#failures.get(address) ?? 0) + 1;
    this.#failures.set(address, failures);
    return failures <= MAX_FAILURES;
  }
}

function busiest<T>(groups: Iterable<Map<T, number>>): Map<T, number> {
  let most = new Map<T, number>();
  for (const group of groups) if (group.size > most.size) most = group;
  return most;
}

function oldest<T>(group: ReadonlyMap<T, number>): T | undefined {
  return group.keys().next().value;
}

function takeOldest<T>(group: Map<T, number>): T {
  const connection = oldest(group);
  if (connection === undefined) throw new Error('there is none to take');
  group.delete(connection);
  return connection;
}
