/**
 * The unpacked size of a DOCX's or XLSX's XML, from the directory of its ZIP archive: a reader's memory grows with it, not
 * with the file's size, and it is known before anything is unpacked. Where a directory is forged, the memory limit holds.
 */

const END_OF_DIRECTORY = 'PK\x05\x06';
const DIRECTORY_ENTRY = 0x02014b50;
const ENTRY_LENGTH = 46;
const XML_NAME = /\.(?:xml|rels)$/i;

/** Bytes of XML, unpacked; undefined where the directory cannot be read. */
export function unpackedXmlBytes(file: Uint8Array): number | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const end = bytes.lastIndexOf(END_OF_DIRECTORY, undefined, 'latin1');
  if (end < 0 || end + 22 > bytes.length) return undefined;
  let at = bytes.readUInt32LE(end + 16);
  let total = 0;
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    if (at + ENTRY_LENGTH > bytes.length || bytes.readUInt32LE(at) !== DIRECTORY_ENTRY) return undefined;
    const nameLength = bytes.readUInt16LE(at + 28);
    const name = bytes.toString('utf8', at + ENTRY_LENGTH, at + ENTRY_LENGTH + nameLength);
    if (XML_NAME.test(name)) total += bytes.readUInt32LE(at + 24);
    at += ENTRY_LENGTH + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return total;
}
