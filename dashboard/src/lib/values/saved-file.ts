/** A value as text to copy and as a file to save. */
import { valueToJson } from '@rma/protocol/payload';
import { mediaOf } from './shape.js';

const ENDINGS: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/gif': 'gif',
  'image/webp': 'webp',
  'image/bmp': 'bmp',
  'image/avif': 'avif',
};

/** A string as it is, anything else as JSON with bytes as `{"$bytes": base64}`. */
export function textOfValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(valueToJson(value) ?? null, undefined, 2);
}

export interface SavedFile {
  readonly name: string;
  readonly type: string;
  readonly content: string | Uint8Array;
}

/** @param name with or without extension */
export function fileOf(value: unknown, name: string): SavedFile {
  if (value instanceof Uint8Array) {
    const media = mediaOf(value);
    const [type, ending] =
      media.is === 'image'
        ? [media.type, ENDINGS[media.type] ?? 'img']
        : media.is === 'pdf'
          ? ['application/pdf', 'pdf']
          : media.is === 'text'
            ? ['text/plain', 'txt']
            : ['application/octet-stream', 'bin'];
    return { name: /\.\w{1,5}$/.test(name) ? name : `${name}.${ending}`, type, content: value };
  }
  const isText = typeof value === 'string';
  return {
    name: `${name}.${isText ? 'txt' : 'json'}`,
    type: isText ? 'text/plain' : 'application/json',
    content: textOfValue(value),
  };
}

/** After this the browser has read the content, and the object URL can be revoked. */
const KEPT_MS = 60_000;

/** Offers a file to the browser as a download. */
export function save({ name, type, content }: SavedFile): void {
  const address = URL.createObjectURL(new Blob([content as BlobPart], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), KEPT_MS);
}
