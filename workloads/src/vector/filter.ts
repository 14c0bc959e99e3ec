/**
 * A filter over metadata, as SQL: `{field: value}` for equal, `{field: [a, b]}` for one of them, `{field: {gte: 1, lt: 9}}`
 * for a range; all have to hold. A field may be a path such as `author.name`. Pure.
 */
import { describe, invalid } from '../input.js';

/** A condition and the values for its question marks. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

type Scalar = string | number | boolean | null;

const FIELD = /^[A-Za-z_][A-Za-z0-9_-]{0,63}(\.[A-Za-z_][A-Za-z0-9_-]{0,63}){0,7}$/;
const COMPARISONS: Readonly<Record<string, string>> = { gt: '>', gte: '>=', lt: '<', lte: '<=', ne: 'IS NOT' };
const MAX_FIELDS = 16;
const MAX_VALUES = 100;

/** The condition on the column `metadata`; undefined where nothing is asked for. */
export function conditionOf(filter: unknown): Condition | undefined {
  if (filter === undefined || filter === null) return undefined;
  if (typeof filter !== 'object' || Array.isArray(filter)) {
    throw invalid('input.filter', `expected a map of fields, got ${describe(filter)}`);
  }
  const entries = Object.entries(filter);
  if (entries.length === 0) return undefined;
  if (entries.length > MAX_FIELDS) throw invalid('input.filter', `expected at most ${MAX_FIELDS} fields`);
  const conditions = entries.map(([field, wanted]) => conditionOn(field, wanted));
  return { sql: conditions.map(({ sql }) => sql).join(' AND '), values: conditions.flatMap(({ values }) => values) };
}

function conditionOn(field: string, wanted: unknown): Condition {
  const path = `input.filter.${field}`;
  if (!FIELD.test(field)) throw invalid(path, "expected a field's name, or a path such as author.name");
  const column = `json_extract(metadata, '$.${field
    .split('.')
    .map((part) => `"${part}"`)
    .join('.')}')`;
  if (Array.isArray(wanted)) {
    if (wanted.length === 0 || wanted.length > MAX_VALUES) throw invalid(path, `expected 1 to ${MAX_VALUES} values`);
    const values = wanted.map((value: unknown) => bound(asScalar(value, path)));
    const known = values.filter((value) => value !== null);
    const choices = known.length === 0 ? [] : [`${column} IN (${known.map(() => '?').join(', ')})`];
    if (known.length < values.length) choices.push(`${column} IS NULL`);
    return { sql: `(${choices.join(' OR ')})`, values: known };
  }
  if (typeof wanted !== 'object' || wanted === null) return compare(column, 'IS', asScalar(wanted, path));
  const comparisons = Object.entries(wanted).map(([name, value]) => {
    const operator = Object.hasOwn(COMPARISONS, name) ? COMPARISONS[name] : undefined;
    if (operator === undefined) {
      throw invalid(`${path}.${name}`, `expected one of ${Object.keys(COMPARISONS).join(', ')}`);
    }
    return compare(column, operator, asScalar(value, `${path}.${name}`));
  });
  if (comparisons.length === 0) throw invalid(path, `expected one of ${Object.keys(COMPARISONS).join(', ')}`);
  return { sql: comparisons.map(({ sql }) => sql).join(' AND '), values: comparisons.flatMap(({ values }) => values) };
}

function compare(column: string, operator: string, value: Scalar): Condition {
  const known = bound(value);
  return known === null
    ? { sql: `${column} ${operator} NULL`, values: [] }
    : { sql: `${column} ${operator} ?`, values: [known] };
}

function asScalar(value: unknown, path: string): Scalar {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw invalid(path, `expected text, a number, true, false or null, got ${describe(value)}`);
}

/** JSON's true and false come out of SQLite as 1 and 0. */
function bound(value: Scalar): string | number | null {
  return typeof value === 'boolean' ? Number(value) : value;
}
