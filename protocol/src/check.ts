/** Validation of messages against their schemas, compiled on first use. An error names the path and what was expected. */

import { type TSchema, Type } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { Settings } from 'typebox/system';
import { DOWN, type Down } from './down.js';
import { ProtocolError } from './error.js';
import { UP, type Up } from './up.js';

// The default of eight would not reach the later branches of a large union.
Settings.Set({ maxErrors: 32 });

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
}

/** A compiled check of one schema. */
export class Check<T> {
  #validator: Validator | undefined;

  constructor(
    private readonly schema: TSchema,
    private readonly what: string,
  ) {}

  /** @throws ProtocolError of kind `invalid`, with path and expectation */
  assert(value: unknown): T {
    this.#validator ??= Compile(refusingBytes(this.schema));
    if (this.#validator.Check(value)) return value as T;
    const error = mostSpecific(this.#validator.Errors(value) as SchemaError[]);
    const path = error?.instancePath ?? '';
    const expected = error?.message.replace(/^must /, '') ?? 'something else';
    throw new ProtocolError(
      'invalid',
      `${this.what}: ${path === '' ? 'the message' : path} must ${expected}`,
      path,
      expected,
    );
  }
}

/** The deepest error: of a union it is in the branch that matched furthest, the one that was meant. */
function mostSpecific(errors: readonly SchemaError[]): SchemaError | undefined {
  const score = ({ instancePath, keyword }: SchemaError) =>
    instancePath.split('/').length * 4 + (keyword === 'anyOf' ? 0 : keyword === 'const' ? 1 : 2);
  return errors.reduce<SchemaError | undefined>(
    (best, error) => (!best || score(error) > score(best) ? error : best),
    undefined,
  );
}

function checksOf<T>(table: Readonly<Record<string, TSchema>>): ReadonlyMap<string, Check<T>> {
  return new Map(Object.entries(table).map(([type, schema]) => [type, new Check<T>(schema, type)]));
}

const UP_CHECKS = checksOf<Up>(UP);
const DOWN_CHECKS = checksOf<Down>(DOWN);

function check<T>(checks: ReadonlyMap<string, Check<T>>, message: unknown): T {
  const type = (message as { type?: unknown } | null)?.type;
  if (typeof type !== 'string') throw new ProtocolError('invalid', 'a message needs a `type`', '/type', 'a string');
  const found = checks.get(type);
  if (!found)
    throw new ProtocolError(
      'unknown_message',
      `no message is called '${type.slice(0, 64)}'`,
      '/type',
      'a type of PROTOCOL.md',
    );
  return found.assert(message);
}

/** @throws ProtocolError of kind `unknown_message` or `invalid` */
export function checkUp(message: unknown): Up {
  return check(UP_CHECKS, message);
}

/** @throws ProtocolError of kind `unknown_message` or `invalid` */
export function checkDown(message: unknown): Down {
  return check(DOWN_CHECKS, message);
}

/**
 * The schema with a refinement on every map that a Uint8Array would satisfy: where all fields are optional, bytes would
 * pass as an empty map, and be forwarded as bytes.
 */
function refusingBytes(schema: TSchema): TSchema {
  const copy = copyOf(schema) as { type?: unknown; required?: unknown[] };
  // A Uint8Array has none of the required fields.
  if (copy.type !== 'object' || (copy.required?.length ?? 0) > 0) return copy as TSchema;
  return Type.Refine(
    copy as TSchema,
    (value) => !(value instanceof Uint8Array),
    () => 'must be a map, not bytes',
  );
}

/** Includes non-enumerable properties: the library keeps refinements in such. */
function copyOf(node: object): object {
  const copy = Object.create(Object.getPrototypeOf(node) as object | null) as object;
  for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(node))) {
    Object.defineProperty(copy, name, { ...property, value: inside(name, property.value) });
  }
  return copy;
}

function inside(name: string, value: unknown): unknown {
  if (name === '~refine' || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => inside('', item));
  return refusingBytes(value as TSchema);
}
