/** The real read-file port of cgroup.ts: small files of the kernel's, read at once. */
import { readFileSync } from 'node:fs';
import type { ReadFile } from './cgroup.js';

/** The file's text; `undefined` where it does not exist or may not be read, which is an answer and no failure. */
export const readSmallFile: ReadFile = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};
