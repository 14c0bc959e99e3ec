/** The Python examples of docs/examples, as they are, against a real coordinator: what PROTOCOL.md promises to other languages. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { needs, pythonCommand } from '../support/needs.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const timeout = 60_000;

/** A child process with what it has printed so far. */
class Program {
  readonly child: ChildProcess;
  readonly #ended: Promise<unknown>;
  stdout = '';
  stderr = '';

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#ended = once(this.child, 'close');
    this.child.stdout?.on('data', (data) => {
      this.stdout += data;
    });
    this.child.stderr?.on('data', (data) => {
      this.stderr += data;
    });
  }

  /** Waits until what it printed matches; gives the first group. */
  says(pattern: RegExp): Promise<string> {
    const look = () => {
      const match = pattern.exec(`${this.stdout}\n${this.stderr}`);
      if (!match)
        throw new Error(`it has not said ${pattern} (exit ${this.child.exitCode}):\n${this.stdout}${this.stderr}`);
      return match[1] ?? match[0];
    };
    return vi.waitFor(look, { timeout: 30_000, interval: 50 });
  }

  async exit(): Promise<number | null> {
    await this.#ended;
    return this.child.exitCode;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.child.kill(signal);
    await this.#ended;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const programs: Program[] = [];

function start(command: string, ...args: string[]): Program {
  const program = new Program(command, args);
  programs.push(program);
  return program;
}

afterAll(() => {
  expect(programs.filter(({ child }) => child.exitCode === null && child.signalCode === null)).toEqual([]);
});

describe('the Python examples', needs('python'), () => {
  let dir = '';
  let port = 0;
  let url = '';
  let coordinator: Program;

  // On a port that was asked for: one that the system chose is not free again before its connections have timed out.
  async function startCoordinator(): Promise<void> {
    port ||= await freePort();
    const transport = process.env.RMA_TEST_TRANSPORT;
    const options = ['--host', '127.0.0.1', '--port', String(port), '--data', join(dir, 'data')];
    if (transport) options.push('--transport', transport);
    coordinator = start(process.execPath, join(root, 'server/bin/rma-coordinator.js'), ...options);
    const address = await coordinator.says(/^listening on http:\/\/(\S+)/m);
    url = `ws://${address}/ws`;
  }

  const python = (name: string, ...args: string[]) =>
    start(pythonCommand()!, join('docs/examples', name), url, ...args);
  const startWorker = (state = 'worker') => python('worker.py', join(dir, 'data/join.token'), join(dir, state));
  const startClient = (input: unknown) =>
    python('client.py', join(dir, 'data/client.token'), 'text.reverse', JSON.stringify(input));

  beforeEach(async () => {
    port = 0;
    dir = mkdtempSync(join(tmpdir(), 'rma-python-'));
    await startCoordinator();
  });

  afterEach(async () => {
    for (const program of programs) await program.kill();
    rmSync(dir, { recursive: true, force: true });
  });

  it('run a task: submitted by the client, reversed by the worker, printed by the client', async () => {
    const worker = startWorker();
    await worker.says(/online as w-/);
    const client = startClient({ text: 'hello, wörld' });
    expect([await client.exit(), client.stdout]).toEqual([0, '{"text": "dlröw ,olleh"}\n']);
    expect(statSync(join(dir, 'worker/credential')).mode & 0o777).toBe(0o600);
  });

  it('report a failure: the client ends with the reason that the handler gave', async () => {
    await startWorker().says(/online as w-/);
    const client = startClient({ txet: 'hello' });
    expect(await client.exit()).toBe(1);
    expect(client.stderr).toMatch(/failed: handler\.failed: KeyError/);
  });

  it('say what is wrong with a token, and stop: the worker with status 2', async () => {
    writeFileSync(join(dir, 'wrong.token'), 'not-a-token');
    const worker = python('worker.py', join(dir, 'wrong.token'), join(dir, 'other'));
    expect(await worker.exit()).toBe(2);
    const client = python('client.py', join(dir, 'wrong.token'), 'text.reverse', '{}');
    expect(await client.exit()).toBe(1);
    expect(client.stderr).not.toContain('Traceback');
  });

  it('keep the worker its identity when it is killed and starts again', async () => {
    const first = startWorker();
    const id = await first.says(/online as (w-\w+)/);
    await first.kill();
    expect(await startWorker().says(/online as (w-\w+)/)).toBe(id);
  });

  it('lose nothing when the coordinator is killed while a task waits, and comes back', {
    timeout: 2 * timeout,
  }, async () => {
    const worker = startWorker();
    await worker.says(/online as w-/);
    await worker.kill();
    const client = startClient({ text: 'still here' });
    await client.says(/accepted/);
    await coordinator.kill();
    await client.says(/offline/);
    await startCoordinator();
    await startWorker().says(/online as w-/);
    expect([await client.exit(), client.stdout]).toEqual([0, '{"text": "ereh llits"}\n']);
  });

  it('come back by themselves, worker and client, when the coordinator restarts in order', {
    timeout: 2 * timeout,
  }, async () => {
    const worker = startWorker();
    const id = await worker.says(/online as (w-\w+)/);
    await coordinator.kill('SIGTERM');
    await worker.says(/offline/);
    await startCoordinator();
    await worker.says(new RegExp(`online as ${id}[\\s\\S]*online as ${id}`));
    const client = startClient({ text: 'again' });
    expect([await client.exit(), client.stdout]).toEqual([0, '{"text": "niaga"}\n']);
  });

  /** The worker of the examples with one more kind, `test.wait`: it notes that it began, and waits for a file called `go`. */
  function startWaitingWorker(): Program {
    const source = `
import asyncio, pathlib, sys
sys.path.insert(0, "docs/examples")
import worker
url, token, dir = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])

async def wait(value):
    with (dir / "began").open("a") as file:
        file.write("x")
    try:
        while not (dir / "go").exists():
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        (dir / "stopped").touch()
        raise
    return value

worker.HANDLERS["test.wait"] = wait
worker.SERVICE["kinds"].append("test.wait")
asyncio.run(worker.Worker(token, dir / "state").serve(url))
`;
    return start(pythonCommand()!, '-u', '-B', '-c', source, url, join(dir, 'data/join.token'), dir);
  }
  const began = () => readFileSync(join(dir, 'began'), 'utf8').length;
  const startWaitingClient = () => python('client.py', join(dir, 'data/client.token'), 'test.wait', '["done"]');

  it('keep a result that came while the coordinator was away, and run the task only once', {
    timeout: 2 * timeout,
  }, async () => {
    const worker = startWaitingWorker();
    await worker.says(/online as w-/);
    const client = startWaitingClient();
    await vi.waitFor(() => expect(began()).toBe(1), timeout);
    await coordinator.kill();
    await worker.says(/offline/);
    writeFileSync(join(dir, 'go'), '');
    await startCoordinator();
    expect([await client.exit(), client.stdout]).toEqual([0, '["done"]\n']);
    expect(began()).toBe(1);
  });

  it('stop a handler whose task was cancelled', { timeout: 2 * timeout }, async () => {
    await startWaitingWorker().says(/online as w-/);
    const client = startWaitingClient();
    await vi.waitFor(() => expect(began()).toBe(1), timeout);
    const task = await client.says(/accepted: (\S+)/);
    const socket = new WebSocket(url);
    const token = readFileSync(join(dir, 'data/client.token'), 'utf8').trim();
    socket.on('open', () =>
      socket.send(JSON.stringify({ type: 'hello', protocol: 1, token, agent: { name: 't', version: '1' } })),
    );
    socket.on('message', (text) => {
      if (JSON.parse(String(text)).type === 'welcome') socket.send(JSON.stringify({ type: 'cancel', ref: 1, task }));
    });
    expect(await client.exit()).toBe(1);
    expect(client.stderr).toMatch(/cancelled: cancelled/);
    await vi.waitFor(() => expect(existsSync(join(dir, 'stopped'))).toBe(true), timeout);
    socket.terminate();
  });
});
