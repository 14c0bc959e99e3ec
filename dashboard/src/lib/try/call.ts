/**
 * The call of the form: kind, options, and the input with attached files in place of their bytes. Both the submitted
 * task and the code samples are derived from it, so that they always agree. Pure.
 */
import type { Constraints } from '@rma/client';
import { errorMessage } from '@rma/protocol/error';
import { mapValue, valueFromJson } from '@rma/protocol/payload';
import { isMap } from '../values/shape.js';

/** A placeholder in an input for the bytes of a file. */
export class AttachedFile {
  constructor(
    readonly name: string,
    readonly bytes: Uint8Array,
  ) {}
}

export interface CallOptions {
  readonly priority?: number;
  readonly maxAttempts?: number;
  readonly constraints?: Constraints;
}

export interface Call {
  readonly kind: string;
  /** JSON, bytes and attached files. */
  readonly input: unknown;
  readonly options: CallOptions;
}

export const MAX_FILE_BYTES = 50 * 1_048_576;

export type Parsed = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problem: string };

/**
 * Parses JSON. `{"$file": "NAME"}` is an attached file, `{"$bytes": "<base64>"}` is bytes, an empty text is null.
 */
export function parseInput(text: string, files: readonly AttachedFile[]): Parsed {
  if (text.trim() === '') return { ok: true, value: null };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { ok: false, problem: jsonProblem(text, error) };
  }
  try {
    return { ok: true, value: withFiles(valueFromJson(json), files) };
  } catch (error) {
    return { ok: false, problem: errorMessage(error) };
  }
}

function withFiles(value: unknown, files: readonly AttachedFile[]): unknown {
  return mapValue(value, (item) => {
    if (item instanceof Uint8Array) return item;
    if (!isMap(item) || typeof item.$file !== 'string' || Object.keys(item).length !== 1) return undefined;
    const file = files.find(({ name }) => name === item.$file);
    if (!file) throw new Error(`no attached file has the name ${JSON.stringify(item.$file)}`);
    return file;
  });
}

/** The syntax error with line and column, which engines report in different ways or not at all. */
export function jsonProblem(text: string, error: unknown): string {
  const message = errorMessage(error);
  const at = positionOf(text, message);
  const what = message
    .replace(/\s*(in JSON )?at position \d+.*$/s, '')
    .replace(/,? *(\.\.\.)?"[\s\S]*" is not valid JSON$/, '')
    .replace(/^JSON\.parse: /, '');
  if (at === undefined) return what;
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = at - before.lastIndexOf('\n');
  return `Line ${line}, column ${column}: ${what}`;
}

function positionOf(text: string, message: string): number | undefined {
  const position = /position (\d+)/.exec(message)?.[1];
  if (position !== undefined) return Math.min(Number(position), text.length);
  const place = /line (\d+) column (\d+)/.exec(message);
  if (place) {
    const lines = text.split('\n').slice(0, Number(place[1]) - 1);
    return lines.reduce((sum, line) => sum + line.length + 1, 0) + Number(place[2]) - 1;
  }
  if (/end of (JSON|data)|unterminated/i.test(message)) return text.length;
  return firstFault(text);
}

/** The end of the longest prefix that can be completed to valid JSON, by binary search. */
function firstFault(text: string): number | undefined {
  const isHopeless = (length: number) => {
    try {
      JSON.parse(text.slice(0, length));
      return false;
    } catch (error) {
      const message = error instanceof Error ? error.message : '';
      const at = /position (\d+)/.exec(message)?.[1];
      return !/end of (JSON|data)|unterminated/i.test(message) && (at === undefined || Number(at) < length);
    }
  };
  if (!isHopeless(text.length)) return undefined;
  let [good, bad] = [0, text.length];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isHopeless(middle)) bad = middle;
    else good = middle;
  }
  return good;
}

/** The input as it is submitted, with the bytes of the files. */
export function inputOf({ input }: Call): unknown {
  return mapValue(input, (item) => {
    if (item instanceof AttachedFile) return item.bytes;
    return item instanceof Uint8Array ? item : undefined;
  });
}

/** The file that is the input's field `file`, with its name in the field `name`, as `rma submit --file` makes it. */
export function mainFile(
  input: unknown,
): { readonly file: AttachedFile; readonly rest: Readonly<Record<string, unknown>> } | undefined {
  if (!isMap(input) || !(input.file instanceof AttachedFile) || input.name !== input.file.name) return undefined;
  const { file, name: _, ...rest } = input;
  return { file: file as AttachedFile, rest };
}

/** The name, with a number if another attached file has it. */
export function freeName(name: string, files: readonly AttachedFile[]): string {
  const isTaken = (wanted: string) => files.some((file) => file.name === wanted);
  if (!isTaken(name)) return name;
  for (let n = 2; ; n++) {
    const dot = name.lastIndexOf('.');
    const other = dot > 0 ? `${name.slice(0, dot)}-${n}${name.slice(dot)}` : `${name}-${n}`;
    if (!isTaken(other)) return other;
  }
}

/** The input of a task as editable JSON, with its bytes as attached files. */
export function editable(input: unknown): { readonly text: string; readonly files: readonly AttachedFile[] } {
  const files: AttachedFile[] = [];
  const shown = mapValue(input, (item) => {
    if (item instanceof Uint8Array) {
      const name = freeName(`file-${files.length + 1}.bin`, files);
      files.push(new AttachedFile(name, item));
      return { $file: name };
    }
    if (item instanceof Date) return item.toISOString();
    return typeof item === 'bigint' ? item.toString() : undefined;
  });
  return { text: JSON.stringify(shown ?? null, undefined, 2), files };
}
