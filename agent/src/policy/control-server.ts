/** The running agent's end of the control socket: one request a connection, one line of JSON each way. */
import { timingSafeEqual } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { errorMessage } from '@rma/protocol/error';
import type { AgentLog } from '../log.js';
import type { StateDir } from '../state-dir.js';
import { type ControlReply, type ControlRequest, controlAddress, controlProof } from './control-address.js';
import type { AgentStatus } from './status.js';

export interface DepartOptions {
  /** Also the data of services. */
  readonly purge: boolean;
  readonly graceMs?: number | undefined;
}

export interface Departure {
  readonly worker: string | undefined;
  /** Whether the coordinator knows. */
  readonly told: boolean;
}

export interface ControlOrders {
  status(): AgentStatus;
  pause(untilMs: number | undefined): void;
  resume(): void;
  leave(options: DepartOptions): Promise<Departure>;
}

const MAX_REQUEST_BYTES = 4_096;

export class ControlServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #answers = new Set<Promise<unknown>>();
  readonly #address: string;
  readonly #proof: string;
  readonly #orders: ControlOrders;

  private constructor(address: string, proof: string, orders: ControlOrders) {
    this.#address = address;
    this.#proof = proof;
    this.#orders = orders;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** An agent that cannot be talked to still works: then `undefined`, and the log says why. */
  static async listen(state: StateDir, orders: ControlOrders, log: AgentLog): Promise<ControlServer | undefined> {
    const address = controlAddress(state.path);
    const control = new ControlServer(address, controlProof(state.path), orders);
    // The state directory is locked by this process: who listened there is dead.
    if (process.platform !== 'win32') rmSync(address, { force: true });
    try {
      await new Promise<void>((resolve, reject) => {
        control.#server.once('error', reject);
        // Between its birth and chmod the directory's own mode, 0700, keeps others out.
        control.#server.listen(address, resolve);
      });
      if (process.platform !== 'win32') chmodSync(address, 0o600);
    } catch (error) {
      const why = errorMessage(error);
      log.warn({ address }, `rma-worker status, pause, resume and leave cannot reach this agent: ${why}`);
      return undefined;
    }
    control.#server.on('error', (error) => log.warn({ error: error.message }, 'the control socket failed'));
    return control;
  }

  /** Replies that are under way still leave. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all(this.#answers);
    for (const socket of this.#sockets) socket.destroySoon();
    await closed;
    if (process.platform !== 'win32') rmSync(this.#address, { force: true });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('close', () => this.#sockets.delete(socket));
    // Whoever asked went away: there is nobody to tell.
    socket.on('error', () => socket.destroy());
    socket.on('data', (data: string) => {
      text += data;
      if (text.length > MAX_REQUEST_BYTES) socket.destroy();
      else if (text.includes('\n')) {
        socket.removeAllListeners('data');
        const answered = this.#answer(text).then((reply) => {
          socket.end(`${JSON.stringify(reply)}\n`);
          this.#answers.delete(answered);
        });
        this.#answers.add(answered);
      }
    });
  }

  async #answer(text: string): Promise<ControlReply> {
    try {
      const request = JSON.parse(text) as ControlRequest;
      if (!same(String(request.proof), this.#proof))
        return { ok: false, message: 'this order does not come from who may read the state directory' };
      return { ok: true, value: (await this.#obey(request)) ?? null };
    } catch (error) {
      return { ok: false, message: errorMessage(error) };
    }
  }

  async #obey(request: ControlRequest): Promise<unknown> {
    switch (request.do) {
      case 'status':
        return this.#orders.status();
      case 'pause':
        this.#orders.pause(request.untilMs);
        return this.#orders.status();
      case 'resume':
        this.#orders.resume();
        return this.#orders.status();
      case 'leave':
        return this.#orders.leave({ purge: request.purge, graceMs: request.graceMs });
      default:
        throw new Error('this rma-worker is older than the command; restart it');
    }
  }
}

function same(given: string, expected: string): boolean {
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}
