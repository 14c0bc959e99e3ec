/** The agent's version, from its package. */
import { readFileSync } from 'node:fs';

const file = new URL('../package.json', import.meta.url);

export const VERSION = String((JSON.parse(readFileSync(file, 'utf8')) as { version: unknown }).version);
