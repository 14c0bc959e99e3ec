/** Where the bytes of a blob to upload come from: memory, or a file. */
export interface BlobSource {
  readonly size: number;
  /** At most `length` bytes from `offset`. @throws Error when they cannot be read */
  read(offset: number, length: number): Uint8Array;
}

export function sourceOf(bytes: Uint8Array): BlobSource {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}
