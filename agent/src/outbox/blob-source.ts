/** Where the bytes of a blob to upload come from. */
export interface BlobSource {
  readonly size: number;
  /** At most `length` bytes from `offset`. @throws Error when they cannot be read */
  read(offset: number, length: number): Uint8Array;
}
