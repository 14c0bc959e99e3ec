/** The containers of an engine: create, start, inspect, exec, logs, stop, remove. */
import type { Duplex, Readable } from 'node:stream';
import type Docker from 'dockerode';
import { type Connection, labelFilter } from './connection.js';
import { asEngineError, EngineError } from './engine-error.js';
import { demultiplexed, type LogPiece, splitFrames } from './log-frames.js';

export type CreateOptions = Docker.ContainerCreateOptions;

export interface ContainerSummary {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly running: boolean;
}

export interface ContainerState {
  readonly running: boolean;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  /** Address in each network, by its name. */
  readonly addresses: Readonly<Record<string, string>>;
  /** On 127.0.0.1, of the first published port. */
  readonly hostPort: number | undefined;
}

export class EngineContainers {
  readonly #calls: Connection;

  constructor(connection: Connection) {
    this.#calls = connection;
  }

  /** Containers with all of these labels, running or not. */
  async list(labels: Readonly<Record<string, string>>): Promise<ContainerSummary[]> {
    const all = await this.#calls.call(() =>
      this.#calls.docker.listContainers({ all: true, filters: { label: labelFilter(labels) } }),
    );
    return all.map(({ Id, Names, Labels, State }) => ({
      id: Id,
      name: Names[0]?.replace(/^\//, '') ?? Id.slice(0, 12),
      labels: Labels,
      running: State === 'running',
    }));
  }

  /** Image ids that any container uses. */
  async usedImages(): Promise<Set<string>> {
    const all = await this.#calls.call(() => this.#calls.docker.listContainers({ all: true }));
    return new Set(all.map(({ ImageID }) => ImageID));
  }

  async create(options: CreateOptions): Promise<string> {
    return (await this.#calls.call(() => this.#calls.docker.createContainer(options))).id;
  }

  async start(id: string): Promise<void> {
    await this.#calls.call(() => this.#calls.docker.getContainer(id).start(), 120_000);
  }

  /** Resolves with the exit code once it has ended. */
  async wait(id: string, signal: AbortSignal): Promise<number> {
    // Not `container.wait()`, which never settles when the engine goes away in the middle of its response.
    const options = {
      path: `/containers/${id}/wait`,
      method: 'POST',
      isStream: true,
      abortSignal: signal,
      statusCodes: { 200: true, 404: 'no such container', 500: 'server error' },
    };
    const answer = await this.#calls.open(
      () =>
        new Promise<Readable>((resolve, reject) => {
          this.#calls.docker.modem.dial(options, (error: unknown, stream: unknown) =>
            error === null ? resolve(stream as Readable) : reject(error),
          );
        }),
    );
    try {
      let text = '';
      for await (const piece of answer.setEncoding('utf8')) text += String(piece);
      return (JSON.parse(text) as { StatusCode: number }).StatusCode;
    } catch (error) {
      throw error instanceof SyntaxError
        ? new EngineError('the engine ended its answer early', 0, true)
        : asEngineError(error);
    }
  }

  /** Sends SIGTERM, and SIGKILL after the grace. No error for one that has exited or does not exist. */
  async stop(id: string, graceSeconds: number): Promise<void> {
    await this.#calls.maybe(
      () => this.#calls.docker.getContainer(id).stop({ t: graceSeconds }),
      (graceSeconds + 30) * 1_000,
    );
  }

  async kill(id: string): Promise<void> {
    await this.#calls.maybe(() => this.#calls.docker.getContainer(id).kill());
  }

  /** Removes it with its anonymous volumes, also while it runs. */
  async remove(id: string): Promise<void> {
    await this.#calls.maybe(() => this.#calls.docker.getContainer(id).remove({ force: true, v: true }), 60_000);
  }

  async inspect(id: string): Promise<ContainerState | undefined> {
    const found = await this.#calls.maybe(() => this.#calls.docker.getContainer(id).inspect());
    if (found === undefined) return undefined;
    const { State, NetworkSettings } = found;
    const published = Object.values(NetworkSettings.Ports ?? {}).flatMap((ports) => ports ?? [])[0];
    const networks = Object.entries(NetworkSettings.Networks ?? {});
    return {
      running: State.Running,
      exitCode: State.ExitCode,
      oomKilled: State.OOMKilled,
      error: State.Error,
      startedAt: State.StartedAt,
      finishedAt: State.FinishedAt,
      addresses: Object.fromEntries(networks.map(([name, { IPAddress }]) => [name, IPAddress])),
      hostPort: published === undefined ? undefined : Number(published.HostPort),
    };
  }

  /** Runs a command inside a container. */
  async exec(id: string, command: readonly string[], timeoutMs: number): Promise<{ exitCode: number; output: string }> {
    const exec = await this.#calls.call(() =>
      this.#calls.docker.getContainer(id).exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true }),
    );
    const stream = await this.#calls.call(() => exec.start({ hijack: true }));
    const output: Buffer[] = [];
    const timer = setTimeout(() => stream.destroy(new Error(`it took longer than ${timeoutMs / 1_000} s`)), timeoutMs);
    try {
      for await (const { bytes } of demultiplexed(stream)) output.push(bytes);
    } catch (error) {
      throw asEngineError(error);
    } finally {
      clearTimeout(timer);
    }
    const { ExitCode } = await this.#calls.call(() => exec.inspect());
    return { exitCode: ExitCode ?? 1, output: Buffer.concat(output).toString('utf8') };
  }

  /** Its output as it is written. Attach before `start`, so that nothing is missed. */
  async attach(id: string): Promise<AsyncGenerator<LogPiece>> {
    const stream = await this.#calls.open(() =>
      this.#calls.docker.getContainer(id).attach({ stream: true, stdout: true, stderr: true, logs: true }),
    );
    return demultiplexed(stream as unknown as Duplex);
  }

  /** The last lines of its log, each with its time in front. */
  async logs(id: string, tail: number, sinceSeconds = 0): Promise<LogPiece[]> {
    const bytes = await this.#calls.maybe(() =>
      this.#calls.docker
        .getContainer(id)
        .logs({ follow: false, stdout: true, stderr: true, timestamps: true, tail, since: sinceSeconds }),
    );
    return bytes === undefined ? [] : splitFrames(Buffer.from(bytes));
  }

  async putArchive(id: string, tar: Readable, path: string): Promise<void> {
    await this.#calls.call(() => this.#calls.docker.getContainer(id).putArchive(tar, { path }), 300_000);
  }

  async getArchive(id: string, path: string): Promise<Readable> {
    return (await this.#calls.open(() => this.#calls.docker.getContainer(id).getArchive({ path }))) as Readable;
  }
}
