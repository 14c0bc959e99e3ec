/** Formats the end of a task for people and, as one JSON record, for programs. Pure. */
import { ProtocolError } from '@rma/protocol/error';
import { mapValue, valueToJson } from '@rma/protocol/payload';
import type { TaskResult } from '../task-result.js';
import { formatDuration } from './duration.js';
import { plainLine } from './plain.js';
import { table } from './table.js';

/** One object, always with the same fields. */
export interface ResultRecord {
  readonly id: string;
  readonly kind: string | null;
  /** `accepted`: without --wait. `refused`: the coordinator did not accept it. */
  readonly state: TaskResult['state'] | 'accepted' | 'refused';
  readonly output: unknown;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly worker: string | null;
  readonly attempts: number;
  readonly timings: { readonly queuedMs: number; readonly runMs: number | null; readonly totalMs: number } | null;
}

export function resultRecord(result: TaskResult): ResultRecord {
  const { queuedMs, runMs, totalMs } = result.timings;
  return {
    id: result.id,
    kind: result.kind ?? null,
    state: result.state,
    output: result.state === 'succeeded' ? (valueToJson(result.output) ?? null) : null,
    error: result.error ?? null,
    worker: result.worker ?? null,
    attempts: result.attempts,
    timings: { queuedMs, runMs: runMs ?? null, totalMs },
  };
}

/** The record of a task that was not accepted. @throws the error itself if it is no refusal */
export function refusalRecord(id: string, kind: string, error: unknown): ResultRecord {
  if (!(error instanceof ProtocolError)) throw error;
  const { kind: code, message } = error;
  return {
    id,
    kind,
    state: 'refused',
    output: null,
    error: { code, message },
    worker: null,
    attempts: 0,
    timings: null,
  };
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
const isVector = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number');

/** What `--wait` prints; may have several lines, and is not yet sanitised for a terminal. */
export function friendlyOutput(output: unknown): string {
  if (typeof output === 'string') return output;
  if (isFields(output)) {
    if (Array.isArray(output.entities)) return entityTable(output.entities);
    if (Array.isArray(output.vectors) && output.vectors.every(isVector)) return vectorLines(output, output.vectors);
    if (typeof output.text === 'string') return output.text;
  }
  return JSON.stringify(withoutBytes(output), undefined, 2);
}

/** The output in one line, for lists. */
export function outputSummary(output: unknown): string {
  if (output instanceof Uint8Array) return `${output.length} bytes`;
  if (isFields(output)) {
    if (Array.isArray(output.entities)) return counted(output.entities.length, 'entity', 'entities');
    if (Array.isArray(output.vectors)) return counted(output.vectors.length, 'vector', 'vectors');
    if (typeof output.text === 'string') return shortened(output.text.trim() === '' ? '(no text)' : output.text);
  }
  return shortened(typeof output === 'string' ? output : JSON.stringify(withoutBytes(output)));
}

/** Replaces bytes by their number; `--json` has them in full. */
function withoutBytes(output: unknown): unknown {
  const shown = mapValue(output, (item) => (item instanceof Uint8Array ? `(${item.length} bytes)` : undefined));
  return valueToJson(shown) ?? null;
}

/** How a task ended, on one line. */
export function endLine(result: TaskResult): string {
  const { timings, worker, attempts } = result;
  const where = worker === undefined ? '' : ` on ${worker}`;
  const took = timings.runMs === undefined ? '' : ` in ${formatDuration(timings.runMs)}`;
  const waited = timings.queuedMs >= 1_000 ? `, waited ${formatDuration(timings.queuedMs)}` : '';
  const again = attempts > 1 ? `, ${attempts} attempts` : '';
  const why = result.error ? `: ${result.error.message} (${result.error.code})` : '';
  return plainLine(`${result.state}${where}${took}${waited}${again}${why}`);
}

function entityTable(entities: readonly unknown[]): string {
  if (entities.length === 0) return '(no entities found)';
  const rows = entities.filter(isFields).map((entity) => {
    const { type, text, start, end, ...others } = entity;
    const span = typeof start === 'number' && typeof end === 'number' ? `${start}-${end}` : '';
    return [asCell(type), asCell(text), span, normalForm(others)];
  });
  return table(['TYPE', 'TEXT', 'AT', 'NORMAL FORM'], rows);
}

/** A text, or named parts such as amount and currency. */
function normalForm(fields: Fields): string {
  const parts = Object.entries(fields).map(([name, value]) => ({
    name,
    value: isFields(value) ? normalForm(value) : asCell(value),
  }));
  const filled = parts.filter(({ value }) => value !== '');
  return filled.length === 1
    ? (filled[0]?.value ?? '')
    : filled.map(({ name, value }) => `${name} ${value}`).join(', ');
}

function asCell(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function vectorLines(output: Fields, vectors: readonly number[][]): string {
  const model = typeof output.model === 'string' ? ` (${output.model})` : '';
  return vectors
    .map((vector, i) => {
      const first = vector.slice(0, 6).map((number) => number.toFixed(4));
      const rest = vector.length > 6 ? ' …' : '';
      return `vector ${i + 1}: ${vector.length} dimensions${model}: ${first.join(' ')}${rest}`;
    })
    .join('\n');
}

function shortened(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return [...line].length <= 72 ? line : `${[...line].slice(0, 71).join('')}…`;
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
