import { globMatcher } from '@rma/agent/docker/glob';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** The same globs as a regular expression. */
function expression(pattern: string): RegExp {
  const source = pattern
    .replace(/^\.?\//, '')
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*\/|\*\*|\*|\?/g, (found) =>
      found === '**/' ? '(?:.*/)?' : found === '**' ? '.*' : found === '*' ? '[^/]*' : '[^/]',
    );
  return new RegExp(`^${source}$`);
}

describe('a glob', () => {
  it.each([
    ['*.txt', 'out.txt', true],
    ['*.txt', 'a/out.txt', false],
    ['**/*.txt', 'out.txt', true],
    ['**/*.txt', 'a/b/out.txt', true],
    ['**/out', 'layout', false],
    ['a/**', 'a/b/c', true],
    ['./a/?', 'a/b', true],
    ['a/?', 'a/', false],
    ['/out.txt', 'out.txt', true],
    ['', '', true],
  ])('%j and %j: %s', (pattern, path, matches) => {
    expect(globMatcher([pattern])(path)).toBe(matches);
  });

  it('matches where one of several does, and none matches nothing', () => {
    expect(globMatcher(['a', 'b'])('b')).toBe(true);
    expect(globMatcher([])('a')).toBe(false);
  });

  it('means what a regular expression of it means', () => {
    const path = fc.string({ unit: fc.constantFrom('a', 'b', '.', '/'), maxLength: 10 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '/', '*', '**', '**/', '?'), maxLength: 6 });
    fc.assert(
      fc.property(pattern, path, (glob, text) => {
        expect(globMatcher([glob])(text)).toBe(expression(glob).test(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it('of many wildcards does not hold up the agent', () => {
    const startedAtMs = performance.now();
    expect(globMatcher(['*a'.repeat(100)])(`${'a'.repeat(250)}b`)).toBe(false);
    expect(performance.now() - startedAtMs).toBeLessThan(500);
  });
});
