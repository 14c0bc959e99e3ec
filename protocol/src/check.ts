/** Validation of messages against their schemas, compiled on first use. An error names the path and what was expected. */

import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { Settings } from 'typebox/system';
import { DOWN, type Down } from './down.js';
import { ProtocolError } from './error.js';
import { refusingBytes } from './plain-map.js';
import { UP, type Up } from './up.js';

// Eight by default: of a union with as many branches the one that was meant would not be looked at.
Settings.Set({ maxErrors: 32 });

interface Fault {
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
    const fault = worst(this.#validator.Errors(value) as Fault[]);
    const path = fault?.instancePath ?? '';
    const expected = fault?.message.replace(/^must /, '') ?? 'something else';
    throw new ProtocolError(
      'invalid',
      `${this.what}: ${path === '' ? 'the message' : path} must ${expected}`,
      path,
      expected,
    );
  }
}

/** The deepest fault tells most: in a union the branch that got furthest is the one that was meant. */
function worst(faults: readonly Fault[]): Fault | undefined {
  const score = (fault: Fault) =>
    fault.instancePath.split('/').length * 4 + (fault.keyword === 'anyOf' ? 0 : fault.keyword === 'const' ? 1 : 2);
  return faults.reduce<Fault | undefined>(
    (best, fault) => (!best || score(fault) > score(best) ? fault : best),
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
