/**
 * Checks for browsers, without a schema compiler: that needs `eval`, which a page's policy forbids, and weighs more than
 * the rest of the SDK. Of what the coordinator sends only the type is checked; what the page's own code submits is
 * checked against its schema field by field.
 */
import { DOWN, type Down } from '@rma/protocol/down';
import { ProtocolError } from '@rma/protocol/error';

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
}

/** @throws ProtocolError of kind `unknown_message` or `invalid` */
export function checkDown(message: unknown): Down {
  const type = (message as { type?: unknown } | null)?.type;
  if (typeof type !== 'string') throw new ProtocolError('invalid', 'a message needs a `type`', '/type', 'a string');
  if (Object.hasOwn(DOWN, type)) return message as Down;
  throw new ProtocolError('unknown_message', `no message is called '${type.slice(0, 64)}'`, '/type');
}

/** The same as `Check` of the protocol, for the plain fields of what a page submits. */
export class Check<T> {
  constructor(
    private readonly schema: object,
    private readonly what: string,
  ) {}

  /** @throws ProtocolError of kind `invalid`, with path and expectation */
  assert(value: unknown): T {
    const fault = faultOf(this.schema, value, '');
    if (!fault) return value as T;
    const { path, expected } = fault;
    const where = path === '' ? 'the message' : path;
    throw new ProtocolError('invalid', `${this.what}: ${where} must be ${expected}`, path, expected);
  }
}

function faultOf(schema: Schema, value: unknown, path: string): { path: string; expected: string } | undefined {
  const fault = (expected: string) => ({ path, expected });
  if (schema.enum && !schema.enum.includes(value)) return fault(`one of ${schema.enum.join(', ')}`);
  if (schema.const !== undefined && value !== schema.const) return fault(String(schema.const));
  switch (schema.type) {
    case 'string':
      if (typeof value !== 'string') return fault('a string');
      if (value.length < (schema.minLength ?? 0)) return fault(`at least ${schema.minLength} characters`);
      if (value.length > (schema.maxLength ?? Number.POSITIVE_INFINITY))
        return fault(`at most ${schema.maxLength} characters`);
      return schema.pattern && !new RegExp(schema.pattern, 'u').test(value)
        ? fault(`match ${schema.pattern}`)
        : undefined;
    case 'integer':
    case 'number':
      if (typeof value !== 'number' || Number.isNaN(value)) return fault('a number');
      if (schema.type === 'integer' && !Number.isInteger(value)) return fault('a whole number');
      if (value < (schema.minimum ?? value)) return fault(`at least ${schema.minimum}`);
      return value > (schema.maximum ?? value) ? fault(`at most ${schema.maximum}`) : undefined;
    case 'array': {
      if (!Array.isArray(value)) return fault('a list');
      if (value.length > (schema.maxItems ?? value.length)) return fault(`at most ${schema.maxItems} items`);
      const items = schema.items ?? {};
      return firstFault(value.map((item, i) => () => faultOf(items, item, `${path}/${i}`)));
    }
    case 'object': {
      if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return fault('an object');
      const missing = schema.required?.find((name) => !(name in value));
      if (missing) return { path: `${path}/${missing}`, expected: 'there' };
      const fields = Object.entries(schema.properties ?? {}).filter(([name]) => name in value);
      return firstFault(
        fields.map(
          ([name, one]) =>
            () =>
              faultOf(one, (value as Record<string, unknown>)[name], `${path}/${name}`),
        ),
      );
    }
    default:
      return undefined;
  }
}

function firstFault(
  checks: readonly (() => { path: string; expected: string } | undefined)[],
): { path: string; expected: string } | undefined {
  for (const check of checks) {
    const fault = check();
    if (fault) return fault;
  }
  return undefined;
}
