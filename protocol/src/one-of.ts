/** Schemas of enumerations: a fixed one, and one that later versions may extend. */
import { type TUnsafe, Type } from 'typebox';

export function oneOf<T extends string>(words: readonly T[], options: { description?: string } = {}): TUnsafe<T> {
  return Type.Enum([...words], options) as unknown as TUnsafe<T>;
}

/**
 * An enumeration that later versions extend: typed as today's words, checked as any short text, so that an older peer
 * accepts the new words.
 */
export function openWord<T extends string>(words: readonly T[], options: { description?: string } = {}): TUnsafe<T> {
  const description = [options.description, `today one of: ${words.join(', ')}`].filter(Boolean).join('; ');
  return Type.String({ maxLength: 64, description }) as unknown as TUnsafe<T>;
}
