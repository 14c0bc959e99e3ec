/** Peers of all roles that send damaged frames to a coordinator, and dial again whenever it has had enough of them. */
import { once } from 'node:events';
import { checkDown } from '@rma/protocol/check';
import { decodeDown } from '@rma/protocol/codec';
import type { Down, Role } from '@rma/protocol/down';
import { encodeStreamData, isStreamData } from '@rma/protocol/stream';
import { SUBPROTOCOLS, type Subprotocol } from '@rma/protocol/version';
import { WebSocket } from 'ws';
import { helloMessage, Knowledge, liveMessage, samplesOf, typeFor } from './frames.js';
import type { FuzzHost } from './fuzz-host.js';
import { dataFrame, frameOf, mutate } from './mutation.js';
import { Random } from './random.js';

/** After so many messages at fault within 10 s a session is closed: what came later would count for nothing. */
const MAX_FAULTS = 10;
const PATIENCE_MS = 20_000;
/** A connection may get lost before it is answered; a coordinator that takes none is a failure. */
const MAX_DIALS = 3;

/** Of the frames. A damaged hello costs a connection each, so there are fewer of them. */
const SHARE = { admin: 0.28, client: 0.36, worker: 0.3, join: 0.06 } as const;

export interface Tally {
  /** Frames that reached the coordinator on a connection that was open. */
  sent: number;
  connections: number;
  /** Dials that ended before they were answered. */
  readonly hungUp: string[];
  /** What came back, by type, and errors by kind. */
  readonly received: Map<string, number>;
  /** What came back and is itself against the protocol. */
  readonly broken: string[];
}

export type Tokens = Readonly<Record<Role, readonly string[]>>;

interface Actor {
  readonly role: Role;
  readonly subprotocol: Subprotocol;
  readonly tokens: readonly string[];
  readonly random: Random;
}

/** Sends so many frames, spread over all roles and both subprotocols. */
export async function fuzz(host: FuzzHost, frames: number, seed: number, tokens: Tokens): Promise<Tally> {
  const tally: Tally = { sent: 0, connections: 0, hungUp: [], received: new Map(), broken: [] };
  const known = new Knowledge(new Random(seed));
  const samples = samplesOf(seed);
  const roles = ['admin', 'client', 'worker', 'join'] as const;
  const actors = roles.flatMap((role, i) =>
    SUBPROTOCOLS.map((subprotocol, j): Actor => {
      const random = new Random(seed * 31 + i * 2 + j);
      // One credential for each worker: two lines with the same one would only replace each other.
      const own = role === 'worker' ? [tokens.worker[j] ?? ''] : tokens[role];
      return { role, subprotocol, tokens: own, random };
    }),
  );
  await Promise.all(
    actors.map(async (actor) => {
      const share = SHARE[actor.role] / SUBPROTOCOLS.length;
      for (let left = Math.ceil(frames * share); left > 0 && host.died === undefined; ) {
        const line = await Line.open(host.url, actor, known, samples, tally);
        left -= await line.talk(left);
        await line.close();
      }
    }),
  );
  return tally;
}

class Line {
  #faults = 0;
  #stream = 1;
  /** The highest stream that was answered. */
  #begun = 0;
  #welcome = false;
  /** The last few, to be shown where one of them went without an answer. */
  readonly #sent: (Uint8Array | string)[] = [];

  private constructor(
    private readonly socket: WebSocket,
    private readonly actor: Actor,
    private readonly known: Knowledge,
    private readonly samples: ReturnType<typeof samplesOf>,
    private readonly tally: Tally,
  ) {
    socket.on('message', (raw: Buffer, isBinary) => {
      if (isBinary && isStreamData(raw)) {
        this.#count('data');
        return;
      }
      const text = isBinary ? raw : raw.toString();
      try {
        this.#receive(checkDown(decodeDown(text)));
      } catch (error) {
        tally.broken.push(`${error} in ${typeof text === 'string' ? text : text.toString('hex')}`.slice(0, 2_000));
      }
    });
  }

  static async open(
    url: string,
    actor: Actor,
    known: Knowledge,
    samples: ReturnType<typeof samplesOf>,
    tally: Tally,
  ): Promise<Line> {
    for (let dials = 1; ; dials++) {
      const dialedMs = performance.now();
      const socket = new WebSocket(url, [actor.subprotocol], { perMessageDeflate: false });
      const line = new Line(socket, actor, known, samples, tally);
      try {
        await once(socket, 'open');
        tally.connections++;
        return line;
      } catch (error) {
        const afterMs = Math.round(performance.now() - dialedMs);
        tally.hungUp.push(`${actor.role}, ${tally.connections} connections in, after ${afterMs} ms: ${error}`);
        if (dials === MAX_DIALS) throw error;
      }
    }
  }

  /** Sends up to so many frames; answers how many. */
  async talk(limit: number): Promise<number> {
    const { actor, known, socket } = this;
    const { random, role, subprotocol } = actor;
    const token = random.pick(actor.tokens);
    const key =
      role === 'join' ? `fuzz-join-${random.below(100)}-0123456789` : `fuzz-${role}-${subprotocol.slice(7)}-0`;
    const hello = helloMessage(random, known, token, role === 'worker' || role === 'join', key);
    let sent = 1;
    // Those of the role `join` exist to fuzz the hello; the others say a good one.
    const damaged = role === 'join' && random.chance(0.9);
    this.#send(damaged ? mutate(random, hello, () => hello, subprotocol) : frameOf(hello, subprotocol));
    await this.#answered();
    const open = () => socket.readyState === WebSocket.OPEN;
    const most = role === 'join' ? 6 : limit;
    while (open() && this.#welcome && sent < most && this.#faults < MAX_FAULTS) {
      const batch = Math.min(MAX_FAULTS - this.#faults, most - sent);
      const frames = batch >= 3 && random.chance(0.15) ? await this.#transfer() : this.#frames(batch);
      for (const frame of frames) this.#send(frame);
      sent += frames.length;
      await this.#answered();
    }
    this.tally.sent += sent;
    return sent;
  }

  async close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    const closed = once(this.socket, 'close');
    if (this.actor.random.chance(0.5)) this.socket.terminate();
    else this.socket.close();
    await closed;
  }

  #frame(): Uint8Array | string {
    const { random, role, subprotocol } = this.actor;
    if (random.chance(0.05)) return dataFrame(random, this.#stream);
    const type = typeFor(random, role === 'join' ? 'worker' : role);
    if (type === 'blob.put' || type === 'blob.get') this.#stream++;
    const sampled = () => random.pick(this.samples.get(type) ?? []);
    const live = random.chance(0.7) ? liveMessage(random, this.known, type, this.#stream) : undefined;
    const message = live ?? sampled();
    return random.chance(0.25) ? frameOf(message, subprotocol) : mutate(random, message, sampled, subprotocol);
  }

  #frames(count: number): (Uint8Array | string)[] {
    return Array.from({ length: count }, () => this.#frame());
  }

  /** A blob up or down: begins it in order, and answers what is to follow, of which one frame may be damaged. */
  async #transfer(): Promise<(Uint8Array | string)[]> {
    const { random, role, subprotocol } = this.actor;
    const stream = ++this.#stream;
    const live = (type: 'blob.put' | 'blob.get' | 'stream.end' | 'stream.credit') =>
      liveMessage(random, this.known, type, stream) as { blob: string };
    const held = this.known.held[role];
    const down = held.length > 0 && random.chance(0.5);
    const begin = down ? { ...live('blob.get'), blob: random.pick(held) } : live('blob.put');
    const faults = this.#faults;
    this.#send(frameOf(begin, subprotocol));
    await this.#until('message', () => this.#begun >= stream || this.#faults > faults, 'an answer to a blob');
    const bytes = this.known.blobs.find(({ blob }) => blob === begin.blob)?.bytes ?? new Uint8Array();
    const frames = down
      ? [frameOf(live('stream.credit'), subprotocol), frameOf(live('stream.credit'), subprotocol)]
      : [encodeStreamData(stream, bytes), frameOf(live('stream.end'), subprotocol)];
    if (random.chance(0.3)) frames[random.below(2)] = mutate(random, begin, () => begin, subprotocol);
    return frames;
  }

  #send(frame: Uint8Array | string): void {
    this.#sent.push(frame);
    if (this.#sent.length > MAX_FAULTS) this.#sent.shift();
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(frame);
  }

  /** Frames are taken in order: once the ping is answered, all that was sent before it has been. */
  async #answered(): Promise<void> {
    const { socket } = this;
    if (socket.readyState !== WebSocket.OPEN) return;
    let ponged = false;
    const pong = () => {
      ponged = true;
    };
    socket.once('pong', pong);
    socket.ping();
    await this.#until('pong', () => ponged, 'an answer to a ping');
    // The answer to a hello comes after a turn of the coordinator's loop.
    await this.#until('message', () => this.#welcome, 'a welcome');
  }

  /** Waits until `done` holds after such an event, or the connection is closed. */
  #until(event: 'pong' | 'message', done: () => boolean, what: string): Promise<void> {
    const { socket, actor } = this;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        socket.off(event, check);
        socket.off('close', check);
        act();
      };
      const check = () => {
        if (done() || socket.readyState === WebSocket.CLOSED) settle(resolve);
      };
      const timer = setTimeout(() => {
        const sent = this.#sent.map((frame) =>
          typeof frame === 'string' ? frame : Buffer.from(frame).toString('hex'),
        );
        const last = sent.map((frame) => frame.slice(0, 2_000)).join('\n');
        const state = `${actor.role}, ${actor.subprotocol}, state ${socket.readyState}`;
        settle(() => reject(new Error(`${what} did not come within ${PATIENCE_MS} ms (${state}) after:\n${last}`)));
      }, PATIENCE_MS);
      socket.on(event, check);
      socket.on('close', check);
      check();
    });
  }

  #count(what: string): void {
    this.tally.received.set(what, (this.tally.received.get(what) ?? 0) + 1);
  }

  #receive(message: Down): void {
    const { known, actor } = this;
    this.#count(message.type === 'error' ? `error ${message.error.kind}` : message.type);
    if ('stream' in message) this.#begun = Math.max(this.#begun, message.stream);
    switch (message.type) {
      case 'welcome':
        this.#welcome = true;
        if (actor.role === 'join' && message.worker) known.learn(known.workers, message.worker.id);
        return;
      case 'error':
        this.#faults++;
        return;
      case 'accepted':
        known.learn(known.tasks, ...message.tasks);
        return;
      case 'dispatch':
        known.learn(known.attempts, ...message.tasks.map(({ task, attempt }) => ({ task, attempt })));
        return;
      case 'blob.stored':
        known.learn(known.held[actor.role], message.blob);
        return;
      case 'events':
        known.lastEvent = message.events.at(-1)?.seq ?? known.lastEvent;
        return;
      case 'reply': {
        const { view } = (message.result ?? {}) as { view?: { id?: string } };
        if (view?.id) known.learn(known.tokens, view.id);
        return;
      }
    }
  }
}
