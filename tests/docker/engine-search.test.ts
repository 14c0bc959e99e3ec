/** An engine that is lost in the middle of being found: the agent goes on without it, and looks for it again. */
import { createServer, type Server } from 'node:http';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { HARDWARE, useFixture } from '../agent/link/support/fixture.js';

/** What an agent in a container asks last of an engine that it finds: who it is itself. */
const LAST = `/containers/${hostname()}/json`;

/** As much of Docker's API as is asked of an engine that is found; it dies over the last question where it shall. */
class FadingEngine {
  readonly asked: string[] = [];
  isFading = true;
  readonly #path: string;
  #server: Server | undefined;
  #gone: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  get url(): string {
    return `unix://${this.#path}`;
  }

  get isUp(): boolean {
    return this.#server !== undefined;
  }

  async up(): Promise<void> {
    await this.#gone;
    const server = createServer((request, response) => {
      const path = (request.url ?? '').replace(/\?.*$/, '');
      this.asked.push(path);
      if (path === LAST && this.isFading) {
        void this.down();
        return;
      }
      const answer = {
        '/_ping': 'OK',
        '/version': { Version: '27.1', Components: [] },
        '/info': { NCPU: 4, SecurityOptions: [], Runtimes: {} },
        '/containers/json': [],
        '/images/json': [],
      }[path];
      response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer ?? { message: 'no such thing' }));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#path, resolve));
  }

  /** At once, also in the middle of an answer. Its socket goes with it. */
  down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) {
      this.#gone = new Promise((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
    }
    return this.#gone;
  }
}

describe('a container engine that is lost in the middle of being found', () => {
  const fixture = useFixture();
  let engine: FadingEngine | undefined;
  afterEach(async () => {
    await engine?.down();
    engine = undefined;
  });

  const start = async (made: FadingEngine) => {
    const hardware = { ...HARDWARE, container: true };
    const agent = fixture.agent({ engine: made.url, engineSearchMs: 20, hardware });
    await agent.start();
    return fixture.coordinator.welcomed();
  };
  const deaths = (made: FadingEngine) => made.asked.filter((path) => path === LAST).length;
  const isLost = (made: FadingEngine, times: number) =>
    fixture.coordinator.until(`lost ${times} times`, () => deaths(made) === times && !made.isUp);

  it('is looked for again until it stays', async () => {
    const { coordinator } = fixture;
    engine = new FadingEngine(join(fixture.directory, 'engine.sock'));
    const made = engine;
    const session = await start(made);
    for (const times of [1, 2]) {
      await made.up();
      await isLost(made, times);
    }
    expect(session.of('policy').filter((said) => said.engine !== undefined)).toEqual([]);
    made.isFading = false;
    await made.up();
    await coordinator.until('the engine', () => session.of('policy').some(({ engine }) => engine !== undefined));
    expect(session.of('policy').at(-1)?.engine).toMatchObject({ name: 'docker', version: '27.1' });
    expect(deaths(made)).toBe(3);
    expect(session.closed).toBeUndefined();
  });

  it('at the start of the agent does not keep it from starting', async () => {
    const { coordinator } = fixture;
    engine = new FadingEngine(join(fixture.directory, 'engine.sock'));
    const made = engine;
    await made.up();
    const session = await start(made);
    await isLost(made, 1);
    expect(session.hello.worker?.engine).toBeUndefined();
    made.isFading = false;
    await made.up();
    await coordinator.until('the engine', () => session.of('policy').some(({ engine }) => engine !== undefined));
  });
});
