/** Previews and children of a value shown as a tree; bounded, whatever the value holds. Pure. */
import { bytes as bytesText, count } from '../format/number.js';

export interface TreeEntry {
  readonly name: string;
  readonly value: unknown;
}

export type NodeKind = 'text' | 'number' | 'word' | 'bytes' | 'list' | 'map';

/** Children shown at first; more on request. */
export const CHILDREN_AT_ONCE = 100;
/** Characters of a text shown at first. */
export const TEXT_AT_ONCE = 400;
const PREVIEW_CHARACTERS = 72;
const PREVIEW_ITEMS = 4;

export function nodeKind(value: unknown): NodeKind {
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number' || typeof value === 'bigint') return 'number';
  if (value instanceof Uint8Array) return 'bytes';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Date) return 'word';
  return typeof value === 'object' && value !== null ? 'map' : 'word';
}

/** Whether there is something inside to open. */
export function isBranch(value: unknown): boolean {
  const kind = nodeKind(value);
  return (kind === 'list' || kind === 'map') && sizeOf(value) > 0;
}

export function sizeOf(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  return nodeKind(value) === 'map' ? Object.keys(value as object).length : 0;
}

/** The children from index `from` to before `to`. */
export function entriesOf(value: unknown, from: number, to: number): readonly TreeEntry[] {
  if (Array.isArray(value)) return value.slice(from, to).map((item, i) => ({ name: String(from + i), value: item }));
  const map = value as Readonly<Record<string, unknown>>;
  return Object.keys(map)
    .slice(from, to)
    .map((name) => ({ name, value: map[name] }));
}

/** One line for a leaf or a closed branch. */
export function preview(value: unknown): string {
  switch (nodeKind(value)) {
    case 'text':
      return quoted(value as string, PREVIEW_CHARACTERS);
    case 'bytes':
      return `bytes, ${bytesText((value as Uint8Array).length)}`;
    case 'list':
      return sizeOf(value) === 0 ? '[]' : `[${count(sizeOf(value), 'item')}]`;
    case 'map': {
      const names = Object.keys(value as object);
      if (names.length === 0) return '{}';
      const some = names.slice(0, PREVIEW_ITEMS).map((name) => shortened(name, 20));
      return `{${some.join(', ')}${names.length > PREVIEW_ITEMS ? ', …' : ''}}`;
    }
    default:
      return leafText(value);
  }
}

/** The text of a number, boolean, null or date. */
export function leafText(value: unknown): string {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  return String(value ?? 'null');
}

/** As a JSON string, truncated after so many characters. */
export function quoted(text: string, characters: number): string {
  return text.length <= characters
    ? JSON.stringify(text)
    : `${JSON.stringify(text.slice(0, characters)).slice(0, -1)}…`;
}

export function shortened(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, characters - 1)}…`;
}
