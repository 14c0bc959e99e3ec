/** A schema for one of some words; its type is their union. */
import { type TUnsafe, Type } from 'typebox';

export function oneOf<T extends string>(words: readonly T[], options: { description?: string } = {}): TUnsafe<T> {
  return Type.Enum([...words], options) as unknown as TUnsafe<T>;
}
