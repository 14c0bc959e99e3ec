/**
 * Reloads the catalogue into the core when its file changes. It polls `stat` once a second instead of watching: editors
 * replace files, and container volumes deliver no file events.
 */
import { statSync } from 'node:fs';
import type { Input } from '../core/inputs.js';
import { CatalogError, catalogPath, readCatalogFile } from './catalog-file.js';

const POLL_MS = 1_000;

export interface CatalogWatchOptions {
  /** The file of `--catalog`, if one was named. */
  readonly file: string | undefined;
  readonly data: string;
  readonly log: { info(value: object, text: string): void; error(value: object, text: string): void };
}

export class CatalogWatch {
  readonly #options: CatalogWatchOptions;
  #push: ((input: Input) => void) | undefined;
  #inForce: Extract<Input, { type: 'catalog' }>;
  /** Of the file version that was read last. */
  #stamp: string;
  #text: string | null;
  #timer: NodeJS.Timeout | undefined;

  /** @throws CatalogError where the first catalogue has mistakes */
  constructor(options: CatalogWatchOptions) {
    this.#options = options;
    const path = catalogPath(options.file, options.data);
    this.#stamp = stampOf(path);
    const content = readCatalogFile(path);
    if (!content.ok) throw new CatalogError(content.message);
    this.#text = content.text;
    this.#inForce = { type: 'catalog', entries: content.entries, source: path, changed: false };
  }

  /** @param push hands an input to the core */
  start(push: (input: Input) => void): void {
    this.#push = push;
    this.resend();
    this.#timer = setInterval(() => this.#poll(), POLL_MS);
    this.#timer.unref();
  }

  /** Loads the catalogue in force into the core again, whose state was rebuilt. */
  resend(): void {
    this.#push?.({ ...this.#inForce, changed: false });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #poll(): void {
    const { file, data, log } = this.#options;
    const path = catalogPath(file, data);
    const stamp = stampOf(path);
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    const content = readCatalogFile(path);
    if (content.text !== null && content.text === this.#text && path === this.#inForce.source) return;
    this.#text = content.text;
    if (!content.ok) {
      log.error(
        { catalog: path, mistakes: content.message },
        'the catalogue has mistakes; the previous one stays in force',
      );
      this.#push?.({ type: 'catalog.refused', source: path, message: content.message });
      return;
    }
    this.#inForce = { type: 'catalog', entries: content.entries, source: path, changed: true };
    log.info({ catalog: path, workloads: content.entries.length }, 'the catalogue changed');
    this.#push?.(this.#inForce);
  }
}

/** Identifies a version of the file, or its absence. */
function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${path} ${stat.mtimeMs} ${stat.size} ${stat.ino}` : `${path} missing`;
}
