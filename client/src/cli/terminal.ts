/** Terminal output: results on standard output, status and errors on standard error. */
import { once } from 'node:events';
import { plainJson, plainLine, plainLines } from './plain.js';

type Colour = 'red' | 'green' | 'yellow' | 'dim';
const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  dim: [2, 22],
};

/** Only on a terminal, and not with NO_COLOR (https://no-color.org). */
function colours(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
}

export function coloured(text: string, colour: Colour, stream: NodeJS.WriteStream = process.stdout): string {
  if (!colours(stream)) return text;
  const [on, off] = CODES[colour];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

/** Writes, and waits for a slow reader. */
export async function write(text: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

/** A line composed here; untrusted parts must be sanitised already (plain.ts). */
export function print(line: string): Promise<void> {
  return write(`${line}\n`);
}

/** Untrusted text: sanitised on a terminal, unchanged in a file or pipe. */
export function printText(text: string): Promise<void> {
  return print(process.stdout.isTTY ? plainLines(text) : text);
}

/** One JSON value: indented for people on a terminal, on one line for programs. */
export function printJson(value: unknown): Promise<void> {
  return print(plainJson(value, process.stdout.isTTY ? 2 : undefined));
}

/** One JSON value on one line, for streams of them. */
export function printJsonLine(value: unknown): Promise<void> {
  return print(plainJson(value));
}

/** A line for people on standard error, so that standard output stays the answer alone. */
export function printStatus(line: string): void {
  process.stderr.write(`${plainLine(line)}\n`);
}

export function printError(message: string): void {
  const lines = plainLines(message);
  process.stderr.write(`${coloured('rma:', 'red', process.stderr)} ${lines}\n`);
}

/** EPIPE on stdout (`rma tasks | head`) ends the process with 141, as it ends other tools. */
export function endOnClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') printError(`cannot write the output: ${error.message}`);
    process.exit(error.code === 'EPIPE' ? 141 : 1);
  });
}
