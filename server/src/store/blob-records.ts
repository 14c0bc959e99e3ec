/**
 * The rows of blobs on SQLite. Which are unnamed is maintained, by triggers on the references of tasks, so that neither a
 * sweep nor a quota visits those that tasks refer to. They are written directly and not by way of the journal.
 */
import type { Database } from './sqlite.js';
import type { Statements } from './statements.js';
import type { BlobRecord, BlobRecords } from './store.js';
import { asStorageFull } from './write-behind.js';

/** A blob held anew within this time is not written again: `held_since` may be so much too early, and a sweep allows for it. */
const HELD_ACCURACY_MS = 60_000;

export class SqliteBlobs implements BlobRecords {
  readonly #database: Database;
  readonly #statements: Statements;
  readonly #settle: () => void;

  /** @param settle brings the tables up to date: references may be in the journal alone */
  constructor(database: Database, statements: Statements, settle: () => void) {
    this.#database = database;
    this.#statements = statements;
    this.#settle = settle;
  }

  addBlob(record: BlobRecord, wallMs: number): void {
    this.#write(() => this.#statements.addBlob.run({ ...record, heldSince: wallMs }));
  }

  findBlob(owner: string, blob: string): { size: number } | undefined {
    return this.#statements.findBlob.get(owner, blob) as { size: number } | undefined;
  }

  holdBlob(record: Omit<BlobRecord, 'size'>, wallMs: number): { size: number } | undefined {
    const times = { heldSince: wallMs, before: wallMs - HELD_ACCURACY_MS };
    this.#write(() => this.#statements.holdBlob.run({ ...record, ...times }));
    return this.findBlob(record.owner, record.blob);
  }

  renewBlobs(uploader: string, wallMs: number): void {
    const times = { heldSince: wallMs, before: wallMs - HELD_ACCURACY_MS };
    this.#write(() => this.#statements.renewBlobs.run({ uploader, ...times }));
  }

  unnamedOf(uploader: string, limit: number): { blobs: number; bytes: number } {
    return this.#statements.unnamedOf.get(uploader, limit) as { blobs: number; bytes: number };
  }

  unnamedFor(attempt: string): number {
    return this.#statements.unnamedFor.get(attempt) as number;
  }

  isOwned(blob: string): boolean {
    return this.#statements.anyBlob.get(blob) !== undefined;
  }

  dropUnnamed(heldBefore: number, limit: number): string[] {
    const s = this.#statements;
    this.#settle();
    const rows = s.unnamedBefore.all(heldBefore - HELD_ACCURACY_MS, limit) as { owner: string; blob: string }[];
    if (rows.length === 0) return [];
    this.#write(() =>
      this.#database.transaction(() => {
        for (const { owner, blob } of rows) s.dropBlob.run(owner, blob);
      })(),
    );
    return rows.map(({ blob }) => blob);
  }

  #write(write: () => unknown): void {
    try {
      write();
    } catch (error) {
      throw asStorageFull(error);
    }
  }
}
