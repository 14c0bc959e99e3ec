import { imageMatches, imageRef } from '@rma/protocol/image-pattern';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('the reference of an image', () => {
  it.each([
    ['postgres', undefined, 'postgres:latest'],
    ['postgres:17', undefined, 'postgres:17'],
    ['registry:5000/lab/tool', undefined, 'registry:5000/lab/tool:latest'],
    [`postgres@${DIGEST}`, undefined, `postgres@${DIGEST}`],
    ['postgres:17', DIGEST, `postgres@${DIGEST}`],
    ['registry:5000/lab/tool', DIGEST, `registry:5000/lab/tool@${DIGEST}`],
  ])('%s with digest %s is %s', (image, digest, expected) => {
    expect(imageRef(image, digest)).toBe(expected);
  });
});

describe('an image pattern', () => {
  it.each([
    ['python:3.13-slim', 'python:3.13-slim'],
    ['ghcr.io/our-lab/*', 'ghcr.io/our-lab/a/b:1'],
    ['*', 'anything'],
    ['*:17', 'postgres:17'],
    ['ghcr.io/*/tool:*-slim', 'ghcr.io/me/tool:3-slim'],
    ['postgres:*', 'postgres:'],
    ['python:*', 'python'],
    ['python:latest', 'python'],
    ['python', 'python'],
  ])('%s names %s', (pattern, image) => {
    expect(imageMatches(pattern, image)).toBe(true);
  });

  it.each([
    ['python:3.13-slim', 'python:3.13'],
    ['python:3.13', 'xpython:3.13'],
    ['ghcr.io/our-lab/*', 'ghcrXio/our-lab/a'],
    ['postgres:*', 'xpostgres:17'],
    ['a*a', 'a'],
    ['a*b*c', 'acb'],
    ['python:3*', 'python'],
    ['python', 'python:3'],
  ])('%s does not name %s', (pattern, image) => {
    expect(imageMatches(pattern, image)).toBe(false);
  });

  it('means what the same expression with .* for * means', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', ':', '/'), maxLength: 12 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', ':', '/', '*'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, text, (pattern, image) => {
        const escaped = pattern.replaceAll('.', '\\.').replaceAll('*', '.*');
        const expression = new RegExp(`^${escaped}$`);
        expect(imageMatches(pattern, image)).toBe(expression.test(image) || expression.test(imageRef(image)));
      }),
    );
  });

  it('with many wildcards takes no time that grows beyond measure', () => {
    const startedAtMs = performance.now();
    expect(imageMatches('*a'.repeat(128), `${'a'.repeat(250)}b`)).toBe(false);
    expect(performance.now() - startedAtMs).toBeLessThan(100);
  });
});
