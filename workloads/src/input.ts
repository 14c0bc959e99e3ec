/** Checks of a handler's input. Each names the path of what is wrong and what was expected, as `input.invalid`. */
import { TaskError } from './runtime.js';

/** A failure of the input itself: no other attempt can succeed. */
export function invalid(path: string, expected: string): TaskError {
  return new TaskError('input.invalid', `${path}: ${expected}`);
}

/** For messages: what a value is, without its content. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a map' : `a ${typeof value}`;
}

/** The input as a map. */
export function asMap(input: unknown, expected: string): Readonly<Record<string, unknown>> {
  if (typeof input !== 'object' || input === null || Array.isArray(input) || input instanceof Uint8Array) {
    throw invalid('input', `expected a map ${expected}, got ${describe(input)}`);
  }
  return input as Readonly<Record<string, unknown>>;
}

/** Bytes that are there, as a copy of their own: what IPC delivers is a window into a larger buffer. */
export function asBytes(value: unknown, path: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw invalid(path, `expected bytes, got ${describe(value)}`);
  if (value.byteLength === 0) throw invalid(path, 'expected the bytes of a file, got an empty file');
  return new Uint8Array(value);
}

/** Text with something in it. */
export function asText(value: unknown, path: string, maxLength: number): string {
  if (typeof value !== 'string') throw invalid(path, `expected text, got ${describe(value)}`);
  if (value.trim() === '') throw invalid(path, 'expected text, got an empty one');
  if (value.length > maxLength) {
    throw invalid(path, `expected at most ${maxLength} characters, got ${value.length}; split it into several tasks`);
  }
  return value;
}

/** A short text that may be left out. */
export function asOptionalText(value: unknown, path: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  return asText(value, path, 1_024);
}

/** A whole number within bounds that may be left out. */
export function asOptionalInteger(value: unknown, path: string, max: number): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw invalid(
      path,
      `expected a whole number from 0 to ${max}, got ${typeof value === 'number' ? value : describe(value)}`,
    );
  }
  return value;
}

/** A list with something in it. */
export function asList(value: unknown, path: string, most: number): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(path, `expected a list, got ${describe(value)}`);
  if (value.length === 0) throw invalid(path, 'expected at least one entry, got an empty list');
  if (value.length > most) {
    throw invalid(path, `expected at most ${most} entries, got ${value.length}; split them into several tasks`);
  }
  return value;
}
