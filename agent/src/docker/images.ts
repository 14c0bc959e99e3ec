/**
 * Pulls images, and removes those that this agent pulled once unused ones exceed a disk budget. Images that were on the
 * engine before are never removed.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from './engine/engine.js';
import { EngineError } from './engine/engine-error.js';
import type { ImageSummary, PullEvent } from './engine/engine-images.js';
import { type PullBytes, PullProgress } from './pull-progress.js';
import { pullReason } from './reasons.js';

const MIB = 1_048_576;

/** An image could not be pulled; the message says why and what to do. */
export class PullError extends Error {}

export interface ImagesLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export class Images {
  readonly #path: string;
  readonly #engine: Engine;
  readonly #budgetMiB: number;
  readonly #log: ImagesLog;
  /** By reference, the running pull, which all callers share. */
  readonly #pulls = new Map<string, Promise<void>>();

  /** @param budgetMiB disk that unused images of this agent may occupy */
  constructor(engine: Engine, stateDir: string, budgetMiB: number, log: ImagesLog) {
    this.#engine = engine;
    this.#path = join(stateDir, 'images.json');
    this.#budgetMiB = budgetMiB;
    this.#log = log;
  }

  /**
   * Makes sure that the engine has an image; pulls it if it does not.
   * @throws PullError, or EngineError when the engine is gone
   */
  async ensure(ref: string, progress: (bytes: PullBytes) => void, signal: AbortSignal): Promise<void> {
    if ((await this.#engine.images.inspect(ref)) === undefined) {
      const running = this.#pulls.get(ref);
      if (running !== undefined) await running;
      else {
        const pull = this.#pull(ref, progress, signal).finally(() => this.#pulls.delete(ref));
        this.#pulls.set(ref, pull);
        await pull;
      }
    }
    this.#touch(ref);
  }

  async #pull(ref: string, progress: (bytes: PullBytes) => void, signal: AbortSignal): Promise<void> {
    const counted = new PullProgress();
    const report = (event: PullEvent): void => {
      const bytes = counted.take(event, performance.now());
      if (bytes) progress(bytes);
    };
    // Before the pull, so that an image is known as this agent's even if it is killed during the pull.
    this.#write({ ...this.#read(), [ref]: Date.now() });
    try {
      try {
        await this.#engine.images.pull(ref, report, signal);
      } catch (error) {
        if (!(error instanceof EngineError) || !/no space left on device/i.test(error.message)) throw error;
        if ((await this.collect(0)) === 0) throw error;
        await this.#engine.images.pull(ref, report, signal);
      }
      progress(counted.sum());
    } catch (error) {
      if (!(error instanceof EngineError) || error.gone || signal.aborted) throw error;
      throw new PullError(pullReason(ref, error.message));
    }
    if ((await this.#engine.images.inspect(ref)) === undefined)
      throw new PullError(pullReason(ref, 'it was pulled, but is not there'));
    this.#log.info({ image: ref }, `pulled ${ref}`);
    await this.collect();
  }

  /** Removes unused images of this agent, the longest unused first, until the rest fits the budget. @returns how many */
  async collect(budgetMiB = this.#budgetMiB): Promise<number> {
    const ours = this.#read();
    const [all, used] = await Promise.all([this.#engine.images.list(), this.#engine.containers.usedImages()]);
    const refs = Object.keys(ours).sort((a, b) => (ours[a] ?? 0) - (ours[b] ?? 0));
    const unused = refs.flatMap((ref) => {
      const image = all.find((candidate) => hasRef(candidate, ref));
      return image && !used.has(image.id) && !this.#pulls.has(ref) ? [{ ref, bytes: image.bytes }] : [];
    });
    let bytes = unused.reduce((sum, image) => sum + image.bytes, 0);
    let removed = 0;
    for (const image of unused) {
      if (bytes <= budgetMiB * MIB) break;
      try {
        await this.#engine.images.remove(image.ref);
      } catch (error) {
        if (!(error instanceof EngineError) || error.gone) throw error;
        this.#log.warn({ image: image.ref }, `the unused image ${image.ref} could not be removed: ${error.message}`);
        continue;
      }
      this.#log.info({ image: image.ref, bytes: image.bytes }, `removed the unused image ${image.ref}`);
      bytes -= image.bytes;
      removed += 1;
      delete ours[image.ref];
    }
    if (removed > 0) this.#write(ours);
    return removed;
  }

  #touch(ref: string): void {
    const ours = this.#read();
    // An image that this agent did not pull stays the donor's.
    if (ours[ref] !== undefined) this.#write({ ...ours, [ref]: Date.now() });
  }

  #read(): Record<string, number> {
    try {
      return JSON.parse(readFileSync(this.#path, 'utf8')) as Record<string, number>;
    } catch {
      // Missing or damaged: no image counts as this agent's, so none is removed.
      return {};
    }
  }

  #write(images: Record<string, number>): void {
    const fresh = `${this.#path}.new`;
    writeFileSync(fresh, JSON.stringify(images, null, 2), { mode: 0o600 });
    renameSync(fresh, this.#path);
  }
}

function hasRef({ tags, digests }: ImageSummary, ref: string): boolean {
  const at = ref.indexOf('@');
  return at === -1 ? tags.includes(ref) : digests.includes(ref.slice(at + 1));
}
