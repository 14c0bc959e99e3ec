/**
 * A container engine as this agent uses it, and the only file that imports dockerode: few verbs, plain values, and every
 * error an `EngineError` that says whether the engine itself is gone. Works with Docker and with Podman's Docker API.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import Docker from 'dockerode';
import { isGone } from './reasons.js';

/** Where an engine listens: a socket or named pipe, or a port of this machine. */
export type EngineAddress =
  | { readonly socketPath: string }
  | { readonly protocol: 'http' | 'https'; readonly host: string; readonly port: number; readonly certPath?: string };

/** An engine's refusal, or its silence. */
export class EngineError extends Error {
  constructor(
    message: string,
    /** HTTP status; 0 where there was no answer. */
    readonly status: number,
    /** It does not answer: what runs may still run. */
    readonly gone: boolean,
  ) {
    super(message);
    this.name = 'EngineError';
  }
}

export type CreateOptions = Docker.ContainerCreateOptions;
export type PullEvent = {
  readonly id?: string;
  readonly status?: string;
  readonly error?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
};

export interface EngineInfo {
  readonly name: string;
  readonly version: string;
  readonly nvidia: boolean;
  readonly rootless: boolean;
  /** Cores that containers may use. */
  readonly cores: number;
  /** Where it keeps its data, on its own machine. */
  readonly rootDir?: string;
}

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

export interface ImageSummary {
  readonly id: string;
  readonly tags: readonly string[];
  /** `sha256:…`, as pulled from registries. */
  readonly digests: readonly string[];
  readonly bytes: number;
}

/** How long a plain question may take; pulls, waits and logs take their time. */
const CALL_MS = 30_000;

export class Engine {
  readonly #docker: Docker;

  constructor(address: EngineAddress) {
    this.#docker = new Docker(dockerOptions(address));
  }

  /** @throws EngineError when nothing answers within the time */
  async ping(timeoutMs = CALL_MS): Promise<void> {
    await this.#call(() => this.#docker.ping(), timeoutMs);
  }

  async info(timeoutMs = CALL_MS): Promise<EngineInfo> {
    const [version, info] = await Promise.all([
      this.#call(() => this.#docker.version(), timeoutMs),
      this.#call(() => this.#docker.info() as Promise<Record<string, unknown>>, timeoutMs),
    ]);
    const security = Array.isArray(info.SecurityOptions) ? info.SecurityOptions.map(String) : [];
    const podman = version.Components?.some(({ Name }) => Name.startsWith('Podman')) === true;
    const gpus = [
      ...Object.keys((info.Runtimes as object | undefined) ?? {}),
      JSON.stringify(info.DiscoveredDevices ?? ''),
    ];
    return {
      name: podman ? 'podman' : 'docker',
      version: version.Version,
      nvidia: gpus.some((text) => text.includes('nvidia')),
      rootless: security.some((option) => option.includes('rootless')),
      cores: typeof info.NCPU === 'number' && info.NCPU > 0 ? info.NCPU : 1,
      ...(typeof info.DockerRootDir === 'string' ? { rootDir: info.DockerRootDir } : {}),
    };
  }

  /** Undefined where the image is not here. */
  async image(ref: string): Promise<{ id: string; digests: readonly string[] } | undefined> {
    const found = await this.#maybe(() => this.#docker.getImage(ref).inspect());
    return found && { id: found.Id, digests: digestsOf(found.RepoDigests) };
  }

  async images(): Promise<ImageSummary[]> {
    const all = await this.#call(() => this.#docker.listImages());
    return all.map(({ Id, RepoTags, RepoDigests, Size }) => ({
      id: Id,
      tags: (RepoTags ?? []).filter((tag) => tag !== '<none>:<none>'),
      digests: digestsOf(RepoDigests),
      bytes: Size,
    }));
  }

  /** Pulls an image; `told` gets every event of the engine. Ends early when aborted. */
  async pull(ref: string, told: (event: PullEvent) => void, signal: AbortSignal): Promise<void> {
    const stream = (await this.#open(() => this.#docker.pull(ref, { abortSignal: signal }))) as Readable;
    const abort = (): void => void stream.destroy(new Error('aborted'));
    signal.addEventListener('abort', abort, { once: true });
    let failed = '';
    try {
      let rest = '';
      for await (const piece of stream.setEncoding('utf8')) {
        const lines = (rest + String(piece)).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          if (line.trim() === '') continue;
          const event = JSON.parse(line) as PullEvent;
          if (event.error !== undefined) failed = event.error;
          told(event);
        }
      }
    } catch (error) {
      throw asEngineError(error);
    } finally {
      signal.removeEventListener('abort', abort);
    }
    if (failed !== '') throw new EngineError(failed, 500, false);
  }

  async removeImage(ref: string): Promise<void> {
    await this.#maybe(() => this.#docker.getImage(ref).remove());
  }

  /** Containers with all of these labels, running or not. */
  async containers(labels: Readonly<Record<string, string>>): Promise<ContainerSummary[]> {
    const all = await this.#call(() =>
      this.#docker.listContainers({ all: true, filters: { label: labelFilter(labels) } }),
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
    const all = await this.#call(() => this.#docker.listContainers({ all: true }));
    return new Set(all.map(({ ImageID }) => ImageID));
  }

  async create(options: CreateOptions): Promise<string> {
    return (await this.#call(() => this.#docker.createContainer(options))).id;
  }

  async start(id: string): Promise<void> {
    await this.#call(() => this.#docker.getContainer(id).start(), 120_000);
  }

  /** Resolves with the exit code once it has ended. */
  async wait(id: string, signal: AbortSignal): Promise<number> {
    // Not `container.wait()`: that one never settles where the engine goes away in the middle of its answer.
    const options = {
      path: `/containers/${id}/wait`,
      method: 'POST',
      isStream: true,
      abortSignal: signal,
      statusCodes: { 200: true, 404: 'no such container', 500: 'server error' },
    };
    const answer = await this.#open(
      () =>
        new Promise<Readable>((resolve, reject) => {
          this.#docker.modem.dial(options, (error: unknown, stream: unknown) =>
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

  /** Asks it to end, and kills it after the grace. One that has ended, or is gone, is fine. */
  async stop(id: string, graceSeconds: number): Promise<void> {
    await this.#maybe(() => this.#docker.getContainer(id).stop({ t: graceSeconds }), (graceSeconds + 30) * 1_000);
  }

  async kill(id: string): Promise<void> {
    await this.#maybe(() => this.#docker.getContainer(id).kill());
  }

  /** With its anonymous volumes, also while it runs. */
  async remove(id: string): Promise<void> {
    await this.#maybe(() => this.#docker.getContainer(id).remove({ force: true, v: true }), 60_000);
  }

  async container(id: string): Promise<ContainerState | undefined> {
    const found = await this.#maybe(() => this.#docker.getContainer(id).inspect());
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

  /** Runs a command inside a container; its exit code and what it said. */
  async exec(id: string, command: readonly string[], timeoutMs: number): Promise<{ exitCode: number; output: string }> {
    const exec = await this.#call(() =>
      this.#docker.getContainer(id).exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true }),
    );
    const stream = await this.#call(() => exec.start({ hijack: true }));
    const output: Buffer[] = [];
    const timer = setTimeout(() => stream.destroy(new Error(`it took longer than ${timeoutMs / 1_000} s`)), timeoutMs);
    try {
      for await (const { bytes } of demultiplexed(stream)) output.push(bytes);
    } catch (error) {
      throw asEngineError(error);
    } finally {
      clearTimeout(timer);
    }
    const { ExitCode } = await this.#call(() => exec.inspect());
    return { exitCode: ExitCode ?? 1, output: Buffer.concat(output).toString('utf8') };
  }

  /** What it wrote, as it writes it. Attach before `start`, so that nothing is missed. */
  async attach(id: string): Promise<AsyncGenerator<LogPiece>> {
    const stream = await this.#open(() =>
      this.#docker.getContainer(id).attach({ stream: true, stdout: true, stderr: true, logs: true }),
    );
    return demultiplexed(stream as unknown as Duplex);
  }

  /** The last lines that it wrote, each with its time in front, as the engine keeps them. */
  async logs(id: string, tail: number, sinceSeconds = 0): Promise<LogPiece[]> {
    const bytes = await this.#maybe(() =>
      this.#docker
        .getContainer(id)
        .logs({ follow: false, stdout: true, stderr: true, timestamps: true, tail, since: sinceSeconds }),
    );
    return bytes === undefined ? [] : splitFrames(Buffer.from(bytes));
  }

  async putArchive(id: string, tar: Readable, path: string): Promise<void> {
    await this.#call(() => this.#docker.getContainer(id).putArchive(tar, { path }), 300_000);
  }

  async getArchive(id: string, path: string): Promise<Readable> {
    return (await this.#open(() => this.#docker.getContainer(id).getArchive({ path }))) as Readable;
  }

  async createVolume(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    await this.#call(() => this.#docker.createVolume({ Name: name, Labels: { ...labels } }));
  }

  async volumes(labels: Readonly<Record<string, string>>): Promise<string[]> {
    const { Volumes } = await this.#call(() => this.#docker.listVolumes({ filters: { label: labelFilter(labels) } }));
    return (Volumes ?? []).map(({ Name }) => Name);
  }

  async removeVolume(name: string): Promise<void> {
    await this.#maybe(() => this.#docker.getVolume(name).remove({ force: true }));
  }

  /** Makes a network unless it is there. */
  async ensureNetwork(name: string, options: Omit<Docker.NetworkCreateOptions, 'Name'>): Promise<void> {
    if ((await this.#maybe(() => this.#docker.getNetwork(name).inspect())) !== undefined) return;
    try {
      await this.#call(() => this.#docker.createNetwork({ ...options, Name: name, CheckDuplicate: true }));
    } catch (error) {
      // Somebody else was quicker.
      if (!(error instanceof EngineError) || error.status !== 409) throw error;
    }
  }

  async networks(labels: Readonly<Record<string, string>>): Promise<string[]> {
    const all = await this.#call(() => this.#docker.listNetworks({ filters: { label: labelFilter(labels) } }));
    return all.map(({ Id }) => Id);
  }

  /** Leaves it where containers still use it. */
  async removeNetwork(name: string): Promise<void> {
    try {
      await this.#maybe(() => this.#docker.getNetwork(name).remove());
    } catch (error) {
      if (!(error instanceof EngineError) || error.status !== 403) throw error;
    }
  }

  async connectNetwork(name: string, container: string): Promise<void> {
    try {
      await this.#call(() => this.#docker.getNetwork(name).connect({ Container: container }));
    } catch (error) {
      // It is connected already.
      if (!(error instanceof EngineError) || error.status !== 403) throw error;
    }
  }

  async #call<T>(work: () => Promise<T>, timeoutMs = CALL_MS): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new EngineError(`the container engine did not answer within ${timeoutMs / 1_000} s`, 0, true));
      }, timeoutMs);
    });
    try {
      return await Promise.race([work(), late]);
    } catch (error) {
      throw asEngineError(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Undefined where there is no such thing, or nothing to do. */
  async #maybe<T>(work: () => Promise<T>, timeoutMs = CALL_MS): Promise<T | undefined> {
    try {
      return await this.#call(work, timeoutMs);
    } catch (error) {
      const nothing =
        error instanceof EngineError && (error.status === 404 || error.status === 304 || isNotRunning(error));
      if (nothing) return undefined;
      throw error;
    }
  }

  async #open<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asEngineError(error);
    }
  }
}

/** A piece of what a container wrote. */
export interface LogPiece {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Buffer;
}

function isNotRunning(error: EngineError): boolean {
  return error.status === 409 && /is not running|removal of container .* is already in progress/i.test(error.message);
}

/** The engine's framing: a byte of the stream, three of nothing, four of the length, big-endian. */
async function* demultiplexed(stream: Readable): AsyncGenerator<LogPiece> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of stream) {
    rest = rest.length === 0 ? (piece as Buffer) : Buffer.concat([rest, piece as Buffer]);
    let at = 0;
    while (rest.length - at >= 8) {
      const length = rest.readUInt32BE(at + 4);
      if (rest.length - at < 8 + length) break;
      yield { stream: rest[at] === 2 ? 'stderr' : 'stdout', bytes: rest.subarray(at + 8, at + 8 + length) };
      at += 8 + length;
    }
    rest = rest.subarray(at);
  }
}

function splitFrames(bytes: Buffer): LogPiece[] {
  const pieces: LogPiece[] = [];
  for (let at = 0; bytes.length - at >= 8; ) {
    const length = bytes.readUInt32BE(at + 4);
    pieces.push({ stream: bytes[at] === 2 ? 'stderr' : 'stdout', bytes: bytes.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return pieces;
}

function dockerOptions(address: EngineAddress): Docker.DockerOptions {
  if ('socketPath' in address) return { socketPath: address.socketPath };
  const { protocol, host, port, certPath } = address;
  const tls =
    certPath === undefined
      ? {}
      : {
          ca: readFileSync(join(certPath, 'ca.pem')),
          cert: readFileSync(join(certPath, 'cert.pem')),
          key: readFileSync(join(certPath, 'key.pem')),
        };
  return { protocol, host, port, ...tls };
}

function digestsOf(repoDigests: readonly string[] | null | undefined): string[] {
  return (repoDigests ?? []).flatMap((text) => /@(sha256:[0-9a-f]{64})$/.exec(text)?.[1] ?? []);
}

function labelFilter(labels: Readonly<Record<string, string>>): string[] {
  return Object.entries(labels).map(([name, value]) => `${name}=${value}`);
}

function asEngineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const { statusCode, json, reason, code } = (error ?? {}) as {
    statusCode?: number;
    json?: { message?: unknown };
    reason?: string;
    code?: string;
  };
  const plain = error instanceof Error ? error.message : String(error);
  const message = typeof json?.message === 'string' ? json.message : plain;
  const status = typeof statusCode === 'number' ? statusCode : 0;
  return new EngineError(message.trim() || (reason ?? plain), status, status === 0 && isGone(code, plain));
}
