/** A hex dump of the first bytes: offset, hexadecimal, characters. Pure. */
const PER_LINE = 16;

export function hexDump(bytes: Uint8Array, limit = 1_024): string {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, limit); at += PER_LINE) {
    const part = [...bytes.subarray(at, Math.min(at + PER_LINE, limit))];
    const hex = part.map((byte) => byte.toString(16).padStart(2, '0'));
    const left = hex.slice(0, 8).join(' ').padEnd(23);
    const right = hex.slice(8).join(' ').padEnd(23);
    const text = part.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${left}  ${right}  ${text}`);
  }
  return lines.join('\n');
}
