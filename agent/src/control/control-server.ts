/** The running agent's end of the control socket: one request per connection, one line of JSON each way. */
import { timingSafeEqual } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { errorMessage } from '@rma/protocol/error';
import type { AgentLog } from '../log.js';
import type { StateDir } from '../state/state-dir.js';
import {
  type ControlReply,
  type ControlRequest,
  controlAddress,
  controlProof,
  type LeaveReply,
} from './control-address.js';
import type { AgentStatus } from './status.js';

export interface LeaveOptions {
  /** Remove the data of services, too. */
  readonly purge: boolean;
  readonly graceMs?: number | undefined;
}

export interface ControlHandlers {
  status(): AgentStatus;
  pause(untilMs: number | undefined): void;
  resume(): void;
  leave(options: LeaveOptions): Promise<LeaveReply>;
}

const MAX_REQUEST_BYTES = 4_096;

export class ControlServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #pendingReplies = new Set<Promise<unknown>>();
  readonly #address: string;
  readonly #proof: string;
  readonly #handlers: ControlHandlers;

  private constructor(address: string, proof: string, handlers: ControlHandlers) {
    this.#address = address;
    this.#proof = proof;
    this.#handlers = handlers;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** `undefined` where it cannot listen, which is logged: the agent works without. */
  static async listen(state: StateDir, handlers: ControlHandlers, log: AgentLog): Promise<ControlServer | undefined> {
    const address = controlAddress(state.path);
    const control = new ControlServer(address, controlProof(state.path), handlers);
    // This process holds the lock of the state directory, so an existing socket file has no listener.
    if (process.platform !== 'win32') rmSync(address, { force: true });
    try {
      await new Promise<void>((resolve, reject) => {
        control.#server.once('error', reject);
        // Until chmod the mode of the directory, 0700, keeps others out.
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

  /** Waits for pending replies. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all(this.#pendingReplies);
    for (const socket of this.#sockets) socket.destroySoon();
    await closed;
    if (process.platform !== 'win32') rmSync(this.#address, { force: true });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('close', () => this.#sockets.delete(socket));
    // The command ended before its reply: nothing is left to do for it.
    socket.on('error', () => socket.destroy());
    socket.on('data', (data: string) => {
      text += data;
      if (text.length > MAX_REQUEST_BYTES) socket.destroy();
      else if (text.includes('\n')) {
        socket.removeAllListeners('data');
        const answered = this.#answer(text).then((reply) => {
          socket.end(`${JSON.stringify(reply)}\n`);
          this.#pendingReplies.delete(answered);
        });
        this.#pendingReplies.add(answered);
      }
    });
  }

  async #answer(text: string): Promise<ControlReply> {
    try {
      const request = JSON.parse(text) as ControlRequest;
      if (!same(String(request.proof), this.#proof))
        return { ok: false, message: 'the request does not prove that its sender may read the state directory' };
      return { ok: true, value: (await this.#handle(request)) ?? null };
    } catch (error) {
      return { ok: false, message: errorMessage(error) };
    }
  }

  async #handle(request: ControlRequest): Promise<unknown> {
    switch (request.do) {
      case 'status':
        return this.#handlers.status();
      case 'pause':
        this.#handlers.pause(request.untilMs);
        return this.#handlers.status();
      case 'resume':
        this.#handlers.resume();
        return this.#handlers.status();
      case 'leave':
        return this.#handlers.leave({ purge: request.purge, graceMs: request.graceMs });
      default:
        throw new Error('this rma-worker is older than the command; restart it');
    }
  }
}

function same(given: string, expected: string): boolean {
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}
