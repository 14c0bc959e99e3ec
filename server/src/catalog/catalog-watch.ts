/**
 * Keeps the core's catalogue that of its file. It looks once a second rather than listening: editors replace files,
 * volumes of containers tell nothing, and one `stat` costs nothing.
 */
import { statSync } from 'node:fs';
import type { Input } from '../core/inputs.js';
import { CatalogError, catalogPath, readCatalogFile } from './catalog-file.js';

const LOOK_MS = 1_000;

export interface CatalogWatchOptions {
  /** The file of `--catalog`, if one was named. */
  readonly file: string | undefined;
  readonly data: string;
  readonly push: (input: Input) => void;
  readonly log: { info(value: object, text: string): void; error(value: object, text: string): void };
}

export class CatalogWatch {
  readonly #options: CatalogWatchOptions;
  #inForce: Extract<Input, { type: 'catalog' }>;
  #seen: string;
  #text: string | null;
  #timer: NodeJS.Timeout | undefined;

  /** @throws CatalogError where the first catalogue has mistakes */
  constructor(options: CatalogWatchOptions) {
    this.#options = options;
    const path = catalogPath(options.file, options.data);
    this.#seen = stampOf(path);
    const content = readCatalogFile(path);
    if (!content.ok) throw new CatalogError(content.message);
    this.#text = content.text;
    this.#inForce = { type: 'catalog', entries: content.entries, source: path, changed: false };
  }

  start(): void {
    this.again();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  /** Tells the core once more what is in force: after its state was rebuilt it knows of none. */
  again(): void {
    this.#options.push({ ...this.#inForce, changed: false });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { file, data, push, log } = this.#options;
    const path = catalogPath(file, data);
    const stamp = stampOf(path);
    if (stamp === this.#seen) return;
    this.#seen = stamp;
    const content = readCatalogFile(path);
    if (content.text !== null && content.text === this.#text && path === this.#inForce.source) return;
    this.#text = content.text;
    if (!content.ok) {
      log.error(
        { catalog: path, mistakes: content.message },
        'the catalogue has mistakes; the one before stays in force',
      );
      push({ type: 'catalog.refused', source: path, message: content.message });
      return;
    }
    this.#inForce = { type: 'catalog', entries: content.entries, source: path, changed: true };
    log.info({ catalog: path, workloads: content.entries.length }, 'the catalogue changed');
    push(this.#inForce);
  }
}

/** Another stamp, another content; a file that is not there has one, too. */
function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${path} ${stat.mtimeMs} ${stat.size} ${stat.ino}` : `${path} missing`;
}
