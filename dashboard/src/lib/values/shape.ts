/**
 * Detects which views suit a value, best first. Pure. Values are untrusted: nothing here relies on their size, depth or
 * names.
 */
import { type BlobRef, isBlobRef } from '@rma/client';

/** The type of bytes, by their signature. */
export type Media =
  | { readonly is: 'image'; readonly type: string }
  | { readonly is: 'pdf' }
  | { readonly is: 'text'; readonly text: string }
  | { readonly is: 'bytes' };

export interface Column {
  readonly name: string;
  readonly isNumeric: boolean;
}

export type Shape =
  | { readonly shape: 'text'; readonly label: string; readonly text: string }
  | {
      readonly shape: 'table';
      readonly label: string;
      readonly columns: readonly Column[];
      readonly rows: readonly Row[];
    }
  | { readonly shape: 'vectors'; readonly label: string; readonly vectors: readonly (readonly number[])[] }
  | { readonly shape: 'image'; readonly label: string; readonly bytes: Uint8Array; readonly type: string }
  | { readonly shape: 'pdf'; readonly label: string; readonly bytes: Uint8Array }
  | { readonly shape: 'bytes'; readonly label: string; readonly bytes: Uint8Array }
  | { readonly shape: 'blob'; readonly label: string; readonly ref: BlobRef; readonly name?: string }
  | { readonly shape: 'json'; readonly label: string; readonly value: unknown };

export type Row = Readonly<Record<string, unknown>>;

/** Rows examined to find the columns. */
const SAMPLE_ROWS = 50;
const MAX_COLUMNS = 16;
/** An array of fewer numbers is just a list. */
const MIN_VECTOR = 8;
const MAX_VIEWS = 6;
const SNIFF_BYTES = 4_096;

export function isMap(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** A blob reference of this task; any other map of that form is plain data. */
export function asBlob(value: unknown, blobs: ReadonlySet<string>): BlobRef | undefined {
  return isBlobRef(value) && blobs.has(value.$blob) ? value : undefined;
}

/** The views of a value, best first; never empty. */
export function shapesOf(value: unknown, blobs: ReadonlySet<string>): readonly Shape[] {
  const blob = asBlob(value, blobs);
  if (blob) return [{ shape: 'blob', label: 'Content', ref: blob }];
  if (typeof value === 'string') return [{ shape: 'text', label: 'Text', text: value }];
  if (value instanceof Uint8Array) return shapesOfBytes(value);
  const json: Shape = { shape: 'json', label: 'JSON', value };
  if (isVectors(value)) return [{ shape: 'vectors', label: 'Plot', vectors: vectorsOf(value) }, json];
  const table = tableOf(value, 'Table');
  if (table) return [table, json];
  return isMap(value) ? [...shapesOfMap(value, blobs), json] : [json];
}

export function shapesOfBytes(bytes: Uint8Array): readonly Shape[] {
  const media = mediaOf(bytes);
  const raw: Shape = { shape: 'bytes', label: 'Bytes', bytes };
  if (media.is === 'image') return [{ shape: 'image', label: 'Image', bytes, type: media.type }, raw];
  if (media.is === 'pdf') return [{ shape: 'pdf', label: 'Pages', bytes }, raw];
  if (media.is === 'text') return [{ shape: 'text', label: 'Text', text: media.text }, raw];
  return [raw];
}

/** Views of the main fields of a map: text, table, vectors, file. */
function shapesOfMap(value: Row, blobs: ReadonlySet<string>): readonly Shape[] {
  const shapes: Shape[] = [];
  const message = isMap(value.message) ? value.message.content : undefined;
  for (const [name, text] of [
    ['text', value.text],
    ['answer', value.answer],
    ['message', message],
    ['log', value.log],
  ] as const) {
    if (typeof text === 'string' && text !== '') shapes.push({ shape: 'text', label: titleOf(name), text });
  }
  for (const [name, item] of Object.entries(value).slice(0, 64)) {
    if (shapes.length >= MAX_VIEWS) break;
    const ref = asBlob(item, blobs);
    if (ref) {
      const fileName = typeof value.name === 'string' && name === 'file' ? { name: value.name } : {};
      shapes.push({ shape: 'blob', label: titleOf(name), ref, ...fileName });
    } else if (item instanceof Uint8Array) {
      const [best] = shapesOfBytes(item);
      if (best) shapes.push({ ...best, label: titleOf(name) });
    } else if (isVectors(item)) shapes.push({ shape: 'vectors', label: titleOf(name), vectors: vectorsOf(item) });
    else {
      const table = tableOf(item, titleOf(name));
      if (table) shapes.push(table);
    }
  }
  return shapes;
}

/** A table view of a list of maps, unless it has more than MAX_COLUMNS keys. */
export function tableOf(value: unknown, label: string): Extract<Shape, { shape: 'table' }> | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const rows: readonly unknown[] = value;
  const sample = rows.slice(0, SAMPLE_ROWS);
  if (!sample.every(isMap) || !rows.every(isMap)) return undefined;
  const numeric = new Map<string, boolean>();
  for (const row of sample) {
    for (const [name, cell] of Object.entries(row)) {
      numeric.set(name, (numeric.get(name) ?? true) && (cell === null || typeof cell === 'number'));
      if (numeric.size > MAX_COLUMNS) return undefined;
    }
  }
  if (numeric.size === 0) return undefined;
  const columns = [...numeric].map(([name, isNumeric]) => ({ name, isNumeric }));
  return { shape: 'table', label, columns, rows: rows as readonly Row[] };
}

function isVector(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length >= MIN_VECTOR && value.every((item) => Number.isFinite(item));
}

function isVectors(value: unknown): boolean {
  return isVector(value) || (Array.isArray(value) && value.length > 0 && value.every(isVector));
}

function vectorsOf(value: unknown): readonly (readonly number[])[] {
  return isVector(value) ? [value] : (value as readonly (readonly number[])[]);
}

function titleOf(name: string): string {
  const short = name.length > 24 ? `${name.slice(0, 23)}…` : name;
  return `${short[0]?.toUpperCase() ?? ''}${short.slice(1)}`;
}

/** By the first bytes; text if valid UTF-8 without control characters. */
export function mediaOf(bytes: Uint8Array): Media {
  const begins = (...start: readonly number[]) => start.every((byte, i) => bytes[i] === byte);
  const ascii = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  if (begins(0x89, 0x50, 0x4e, 0x47)) return { is: 'image', type: 'image/png' };
  if (begins(0xff, 0xd8, 0xff)) return { is: 'image', type: 'image/jpeg' };
  if (ascii(0, 4) === 'GIF8') return { is: 'image', type: 'image/gif' };
  if (ascii(0, 4) === 'RIFF' && ascii(8, 12) === 'WEBP') return { is: 'image', type: 'image/webp' };
  if (begins(0x42, 0x4d) && bytes.length > 54) return { is: 'image', type: 'image/bmp' };
  if (ascii(4, 12) === 'ftypavif') return { is: 'image', type: 'image/avif' };
  if (ascii(0, 5) === '%PDF-') return { is: 'pdf' };
  const text = textOf(bytes);
  return text === undefined ? { is: 'bytes' } : { is: 'text', text };
}

function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return undefined;
  for (const byte of bytes.subarray(0, SNIFF_BYTES)) {
    if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d && byte !== 0x1b) return undefined;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** The file name for saving a value, without extension. */
export function fileNameOf(kind: string, id: string, what: 'input' | 'output'): string {
  return `${kind.replace(/[^a-z0-9]+/gi, '-')}-${id.slice(-12)}-${what}`;
}
