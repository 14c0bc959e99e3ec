import { readFileSync } from 'node:fs';
import { PROTOCOL_VERSION } from '@rma/protocol/version';
import { describe, expect, it } from 'vitest';
import { missing, renew } from '../../scripts/protocol-reference.mjs';
import { canonical, wireHash } from '../../scripts/wire-hash.mjs';

interface Line {
  readonly version: number;
  readonly hash: string;
  readonly date: string;
  readonly change: string;
}

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const history: readonly Line[] = JSON.parse(read('protocol/history.json'));

describe('the wire contract', () => {
  it('has the hash of the last line of its history', () => {
    const last = history.at(-1);
    const hash = wireHash();
    expect(
      last?.hash === hash,
      `The wire changed (hash ${hash}, the history ends with ${last?.hash}). If that is not what you meant, undo it. ` +
        'If it is: can a peer of the old version go on? If not, raise PROTOCOL_VERSION. Then add a line to protocol/history.json: ' +
        `{ "version": ${PROTOCOL_VERSION}, "hash": "${hash}", "date": …, "change": what and why }, ` +
        'and run `node scripts/protocol-reference.mjs --write`.',
    ).toBe(true);
    expect(last?.version).toBe(PROTOCOL_VERSION);
  });

  it('has a history that only grows: versions and dates rise, no hash comes twice, each line says what changed', () => {
    expect(new Set(history.map(({ hash }) => hash)).size).toBe(history.length);
    for (const [i, line] of history.entries()) {
      const before = history[i - 1];
      expect(line.change.length).toBeGreaterThan(10);
      expect(line.date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
      if (before) {
        expect(line.version - before.version).toBeOneOf([0, 1]);
        expect(line.date >= before.date).toBe(true);
      }
    }
  });

  it('has a hash that a changed word leaves alone and a changed field, bound or role does not', () => {
    const schema = { type: 'object', properties: { description: { type: 'string', description: 'a' } } };
    const reworded = { properties: { description: { description: 'b', type: 'string' } }, type: 'object' };
    expect(canonical(schema)).toBe(canonical(reworded));
    expect(canonical({ required: ['a', 'b'] })).toBe(canonical({ required: ['b', 'a'] }));
    expect(canonical(schema)).not.toBe(canonical({ ...schema, properties: {} }));
    expect(canonical({ maximum: 1 })).not.toBe(canonical({ maximum: 2 }));
    expect(canonical({ submit: ['admin', 'client'] })).not.toBe(canonical({ submit: ['admin'] }));
  });
});

describe('PROTOCOL.md', () => {
  it('has tables that are what the schemas say (node scripts/protocol-reference.mjs --write)', () => {
    const text = read('PROTOCOL.md');
    expect(renew(text) === text, 'PROTOCOL.md is stale: run `node scripts/protocol-reference.mjs --write`').toBe(true);
  });

  it('describes every message, and has every table', () => {
    expect(missing(read('PROTOCOL.md'))).toEqual([]);
  });

  it('has no link to a heading that does not exist', () => {
    const text = read('PROTOCOL.md');
    const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
    const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
    expect(links.filter((anchor) => !anchors.includes(anchor!))).toEqual([]);
  });
});
