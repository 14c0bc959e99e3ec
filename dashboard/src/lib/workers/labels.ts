/**
 * Validation of labels and names while they are edited. The rules are the protocol's; a test compares them with its
 * schemas, which are too large to import here. Pure.
 */
import { plainProblem } from '../format/plain-text.js';

export interface LabelLine {
  readonly id: number;
  readonly key: string;
  readonly value: string;
}

const KEY = /^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$/;
const MAX_VALUE = 128;
export const MAX_LABELS = 32;

let nextId = 1;

export function labelLine(key = '', value = ''): LabelLine {
  return { id: nextId++, key, value };
}

export function linesOf(labels: Readonly<Record<string, string>>): LabelLine[] {
  return Object.entries(labels).map(([key, value]) => labelLine(key, value));
}

/** Problems by line id. Empty lines are ignored. */
export function labelProblems(lines: readonly LabelLine[]): ReadonlyMap<number, string> {
  const problems = new Map<number, string>();
  const seen = new Set<string>();
  for (const { id, key, value } of lines) {
    if (key === '' && value === '') continue;
    if (key === '') problems.set(id, 'A label needs a key, such as region');
    else if (!KEY.test(key))
      problems.set(id, 'A key has up to 63 letters, digits and . _ / -, and begins with a letter or digit');
    else if (seen.has(key)) problems.set(id, `There already is a label ${key}`);
    else {
      const problem = plainProblem('A value', value, MAX_VALUE);
      if (problem !== undefined) problems.set(id, problem);
    }
    seen.add(key);
  }
  if (seen.size > MAX_LABELS && lines.length > 0)
    problems.set(lines[lines.length - 1]!.id, `A worker can have at most ${MAX_LABELS} labels`);
  return problems;
}

export function labelsOf(lines: readonly LabelLine[]): Record<string, string> {
  return Object.fromEntries(lines.filter(({ key }) => key !== '').map(({ key, value }) => [key, value]));
}

/** The problem with a worker's new name, or undefined. */
export function nameProblem(name: string): string | undefined {
  if (name.trim() === '') return 'A worker needs a name';
  return plainProblem('A name', name, MAX_VALUE);
}
