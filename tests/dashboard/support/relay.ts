/**
 * A relay between a browser and a coordinator that loses connections on request: in the middle of an action, with the
 * answer on its way.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

export class Relay {
  readonly #target: () => number;
  readonly #pairs = new Set<{ readonly near: Socket; readonly far: Socket }>();
  #server: Server | undefined;
  #isMute = false;
  #isDown = false;

  /** @param target the coordinator's port, asked at every connection */
  constructor(target: () => number) {
    this.#target = target;
  }

  get url(): string {
    const address = this.#server?.address();
    if (address === null || typeof address !== 'object') throw new Error('the relay is not up');
    return `http://127.0.0.1:${address.port}`;
  }

  async start(): Promise<void> {
    this.#server = createServer((near) => this.#join(near));
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', resolve));
  }

  /** From now on what the coordinator says does not arrive; what the browser says does. */
  mute(): void {
    this.#isMute = true;
  }

  /** Ends every connection, and takes none until `mend`. */
  cut(): void {
    this.#isDown = true;
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  mend(): void {
    this.#isMute = false;
    this.#isDown = false;
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  #join(near: Socket): void {
    if (this.#isDown) {
      near.destroy();
      return;
    }
    const far = connect(this.#target(), '127.0.0.1');
    const pair = { near, far };
    this.#pairs.add(pair);
    const end = () => {
      near.destroy();
      far.destroy();
      this.#pairs.delete(pair);
    };
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => {
      if (!this.#isMute) near.write(bytes);
    });
  }
}
