/** The images of an engine: inspect, list, pull, remove. */
import type { Readable } from 'node:stream';
import type { Connection } from './connection.js';
import { asEngineError, EngineError } from './engine-error.js';

export type PullEvent = {
  readonly id?: string;
  readonly status?: string;
  readonly error?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
};

export interface ImageSummary {
  readonly id: string;
  readonly tags: readonly string[];
  /** `sha256:…`, as pulled from registries. */
  readonly digests: readonly string[];
  readonly bytes: number;
}

export class EngineImages {
  readonly #calls: Connection;

  constructor(connection: Connection) {
    this.#calls = connection;
  }

  /** Undefined where the engine does not have it. */
  async inspect(ref: string): Promise<{ id: string; digests: readonly string[] } | undefined> {
    const found = await this.#calls.maybe(() => this.#calls.docker.getImage(ref).inspect());
    return found && { id: found.Id, digests: digestsOf(found.RepoDigests) };
  }

  async list(): Promise<ImageSummary[]> {
    const all = await this.#calls.call(() => this.#calls.docker.listImages());
    return all.map(({ Id, RepoTags, RepoDigests, Size }) => ({
      id: Id,
      tags: (RepoTags ?? []).filter((tag) => tag !== '<none>:<none>'),
      digests: digestsOf(RepoDigests),
      bytes: Size,
    }));
  }

  /** Pulls an image; `report` gets every event of the engine. Ends early when aborted. */
  async pull(ref: string, report: (event: PullEvent) => void, signal: AbortSignal): Promise<void> {
    const stream = (await this.#calls.open(() => this.#calls.docker.pull(ref, { abortSignal: signal }))) as Readable;
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
          report(event);
        }
      }
    } catch (error) {
      throw asEngineError(error);
    } finally {
      signal.removeEventListener('abort', abort);
    }
    if (failed !== '') throw new EngineError(failed, 500, false);
  }

  async remove(ref: string): Promise<void> {
    await this.#calls.maybe(() => this.#calls.docker.getImage(ref).remove());
  }
}

function digestsOf(repoDigests: readonly string[] | null | undefined): string[] {
  return (repoDigests ?? []).flatMap((text) => /@(sha256:[0-9a-f]{64})$/.exec(text)?.[1] ?? []);
}
