/**
 * Bytes are objects to JavaScript, and so to a compiled check: where every field may be missing they would pass for a map
 * without entries, and leave again as bytes. This makes a check refuse them.
 */
import { type TSchema, Type } from 'typebox';

/** The schema with every map in it that bytes could pass for refined; all else of it is as it was. */
export function refusingBytes(schema: TSchema): TSchema {
  const copy = copyOf(schema) as { type?: unknown; required?: unknown[] };
  // A required field is none that bytes have.
  if (copy.type !== 'object' || (copy.required?.length ?? 0) > 0) return copy as TSchema;
  return Type.Refine(
    copy as TSchema,
    (value) => !(value instanceof Uint8Array),
    () => 'must be a map, not bytes',
  );
}

/** With the properties that do not show, too: the library keeps refinements in such. */
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
