/** Messages made at random from the schemas themselves: whatever a schema admits, sooner or later. */
import { packPayload } from '@rma/protocol/payload';
import fc from 'fast-check';

interface Node {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Node[];
  readonly allOf?: readonly Node[];
  readonly items?: Node;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly patternProperties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly payload?: boolean;
}

/** A number that JSON, too, carries exactly. */
const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value));
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const word = fc.stringMatching(/^[A-Za-z0-9_]{1,12}$/).filter((key) => key !== '__proto__');

/** Values as tasks take them and give them: what JSON has, and bytes. */
export const payloadValue: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      fc.constantFrom(null, true, false),
      fc.integer(),
      fc.maxSafeInteger(),
      finite,
      text,
      fc.uint8Array({ maxLength: 40 }),
    ),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(word, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

/** @param schema of a message, or of part of one */
export function arbitraryOf(schema: unknown): fc.Arbitrary<unknown> {
  return fromNode(schema as Node);
}

function fromNode(node: Node): fc.Arbitrary<unknown> {
  if (node.payload) return payloadValue.map((value) => packPayload(value));
  if (node.const !== undefined) return fc.constant(node.const);
  if (node.enum) return fc.constantFrom(...node.enum);
  if (node.anyOf) return fc.oneof(...node.anyOf.map(fromNode));
  if (node.allOf) return fc.tuple(...node.allOf.map(fromNode)).map((parts) => Object.assign({}, ...parts));
  if (node.items) return fc.array(fromNode(node.items), { minLength: node.minItems ?? 0, maxLength: 4 });
  if (node.properties) return fromProperties(node.properties, node.required ?? []);
  if (node.patternProperties) {
    const [[pattern, value] = ['^[a-z]*$', {}]] = Object.entries(node.patternProperties);
    const key = pattern === '^.*$' ? word : fc.stringMatching(new RegExp(pattern));
    return fc.dictionary(key, fromNode(value), { maxKeys: 3, noNullPrototype: true });
  }
  switch (node.type) {
    case 'string':
      return fromString(node);
    case 'integer':
      return fc.integer({ min: node.minimum ?? -1e9, max: node.maximum ?? 1e9 });
    case 'number':
      return fc
        .double({ noNaN: true, min: node.minimum ?? node.exclusiveMinimum ?? -1e9, max: node.maximum ?? 1e9 })
        .map((value) => (value === 0 ? 0 : value))
        .filter((value) => node.exclusiveMinimum === undefined || value > node.exclusiveMinimum);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.constantFrom(1, 'text', true, null, { nested: [1, 'two'] });
  }
}

function fromProperties(properties: Readonly<Record<string, Node>>, required: readonly string[]) {
  const model = Object.fromEntries(Object.entries(properties).map(([name, node]) => [name, fromNode(node)]));
  return fc.record(model, { requiredKeys: [...required], noNullPrototype: true });
}

function fromString(node: Node): fc.Arbitrary<string> {
  const { minLength = 0, maxLength = 40, pattern } = node;
  if (pattern === undefined || pattern.includes('u0000')) {
    return fc.string({ minLength, maxLength: Math.min(maxLength, 40) });
  }
  return fc.stringMatching(new RegExp(pattern));
}
