/**
 * Format and size in pixels of an image, before anything is decoded: a file of a few kilobytes may declare a size beyond
 * any memory. Also finds files that are cut off, on which the OCR engine would fail late or not at all.
 */

/** The formats that the OCR engine reads. */
export type ImageFormat = 'png' | 'jpeg' | 'bmp' | 'webp' | 'pnm';

export interface ImageHeader {
  readonly format: ImageFormat;
  readonly width: number;
  readonly height: number;
}

/** The header; `'damaged'` where the format is known but the file ends early or contradicts itself; `undefined` for anything else. */
export function readImageHeader(file: Uint8Array): ImageHeader | 'damaged' | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const reader = READERS.find((candidate) => candidate.matches(bytes));
  if (!reader) return undefined;
  const size = reader.size(bytes);
  if (!size || size[0] < 1 || size[1] < 1) return 'damaged';
  return { format: reader.format, width: size[0], height: size[1] };
}

type Size = readonly [width: number, height: number];

interface Reader {
  readonly format: ImageFormat;
  matches(bytes: Buffer): boolean;
  /** Undefined: damaged. */
  size(bytes: Buffer): Size | undefined;
}

const READERS: readonly Reader[] = [
  { format: 'png', matches: (bytes) => startsWith(bytes, '\x89PNG\r\n\x1a\n'), size: sizeOfPng },
  { format: 'jpeg', matches: (bytes) => startsWith(bytes, '\xff\xd8\xff'), size: sizeOfJpeg },
  { format: 'bmp', matches: (bytes) => startsWith(bytes, 'BM') && bytes.length > 14, size: sizeOfBmp },
  {
    format: 'webp',
    matches: (bytes) => startsWith(bytes, 'RIFF') && bytes.toString('latin1', 8, 12) === 'WEBP',
    size: sizeOfWebp,
  },
  { format: 'pnm', matches: (bytes) => /^P[1-6]\s/.test(bytes.toString('latin1', 0, 3)), size: sizeOfPnm },
];

function startsWith(bytes: Buffer, magic: string): boolean {
  return bytes.toString('latin1', 0, magic.length) === magic;
}

/** Walks the chunks to `IEND`: a PNG that was cut off has none. */
function sizeOfPng(bytes: Buffer): Size | undefined {
  if (bytes.length < 33 || bytes.toString('latin1', 12, 16) !== 'IHDR') return undefined;
  let at = 8;
  while (at + 12 <= bytes.length) {
    if (bytes.toString('latin1', at + 4, at + 8) === 'IEND') return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
    at += 12 + bytes.readUInt32BE(at);
  }
  return undefined;
}

/** Walks the segments to the frame header; the end-of-image marker must follow the scan. */
function sizeOfJpeg(bytes: Buffer): Size | undefined {
  let at = 2;
  let size: Size | undefined;
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) size = [bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5)];
    if (marker === 0xda) return bytes.indexOf('ffd9', at, 'hex') < 0 ? undefined : size;
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}

function sizeOfBmp(bytes: Buffer): Size | undefined {
  return bytes.length < 26 ? undefined : [bytes.readInt32LE(18), Math.abs(bytes.readInt32LE(22))];
}

function sizeOfWebp(bytes: Buffer): Size | undefined {
  if (bytes.length < 30 || bytes.length < bytes.readUInt32LE(4) + 8) return undefined;
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return [bytes.readUInt16LE(26) & 0x3fff, bytes.readUInt16LE(28) & 0x3fff];
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21);
      return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
    }
    case 'VP8X':
      return [bytes.readUIntLE(24, 3) + 1, bytes.readUIntLE(27, 3) + 1];
    default:
      return undefined;
  }
}

function sizeOfPnm(bytes: Buffer): Size | undefined {
  const header = bytes.toString('latin1', 0, 1_024).replace(/#.*$/gm, '');
  const size = /^P[1-6]\s+(\d{1,6})\s+(\d{1,6})\s/.exec(header);
  return size ? [Number(size[1]), Number(size[2])] : undefined;
}
