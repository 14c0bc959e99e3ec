/** Saving a file from the page. */
import type { SavedFile } from './saved-file.js';

/** After this the browser has begun to save, and the address may go. */
const KEPT_MS = 60_000;

/** Hands a file to the browser, which saves it. */
export function save({ name, type, content }: SavedFile): void {
  const address = URL.createObjectURL(new Blob([content as BlobPart], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), KEPT_MS);
}
