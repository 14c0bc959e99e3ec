/** A schema for one of some words; its type is their union. */
import { type TUnsafe, Type } from 'typebox';

export function oneOf<T extends string>(words: readonly T[], options: { description?: string } = {}): TUnsafe<T> {
  return Type.Enum([...words], options) as unknown as TUnsafe<T>;
}

/**
 * One of some words, where a peer of a later version may say others: typed as the words of today, checked as any text.
 * For what an older client has to let pass.
 */
export function openWord<T extends string>(words: readonly T[], options: { description?: string } = {}): TUnsafe<T> {
  const description = [options.description, `today one of: ${words.join(', ')}`].filter(Boolean).join('; ');
  return Type.String({ maxLength: 64, description }) as unknown as TUnsafe<T>;
}
