/** Locates and reads the catalogue file: its entries, or its problems, one per line. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CatalogEntry } from '@rma/protocol/catalog';
import { problemLines, readCatalog } from '@rma/protocol/catalog-text';
import { errorMessage } from '@rma/protocol/error';

export type CatalogContent =
  | { readonly ok: true; readonly entries: readonly CatalogEntry[]; readonly text: string }
  | { readonly ok: false; readonly message: string; readonly text: string | null };

/** The catalogue shipped with the coordinator. */
const SHIPPED = fileURLToPath(new URL('../../../catalog.yaml', import.meta.url));

/** The file named, else the data directory's, else the shipped one. Evaluated on each poll: an admin may add one. */
export function catalogPath(named: string | undefined, data: string): string {
  if (named !== undefined && named !== '') return named;
  const own = join(data, 'catalog.yaml');
  return existsSync(own) ? own : SHIPPED;
}

export function readCatalogFile(path: string): CatalogContent {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return {
      ok: false,
      message: `${path} cannot be read: ${errorMessage(error)}`,
      text: null,
    };
  }
  const reading = readCatalog(text);
  if (reading.ok) return { ok: true, entries: reading.entries, text };
  return { ok: false, message: problemLines(path, reading.problems), text };
}

/** Thrown at a start, where there is no previous catalogue to keep in force. */
export class CatalogError extends Error {
  constructor(message: string) {
    super(`the catalogue has mistakes; fix them, or name another file with --catalog:\n${message}`);
    this.name = 'CatalogError';
  }
}
