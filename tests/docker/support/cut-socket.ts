/** A socket in front of the engine's, which a test can cut and mend: an engine that goes away and comes back. */
import { rmSync } from 'node:fs';
import net from 'node:net';

export class CutSocket {
  readonly url: string;
  readonly #path: string;
  readonly #target: string;
  readonly #sockets = new Set<net.Socket>();
  #server: net.Server | undefined;

  constructor(path: string, target: string) {
    this.#path = path;
    this.#target = target;
    this.url = `unix://${path}`;
  }

  mend(): Promise<void> {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      const engine = net.connect({ path: this.#target, allowHalfOpen: true });
      for (const [one, other] of [
        [socket, engine],
        [engine, socket],
      ] as const) {
        this.#sockets.add(one);
        one.pipe(other);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    });
    this.#server = server;
    return new Promise((resolve) => server.listen(this.#path, resolve));
  }

  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    rmSync(this.#path, { force: true });
  }
}
