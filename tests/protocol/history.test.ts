import { readFileSync } from 'node:fs';
import { PROTOCOL_VERSION } from '@rma/protocol/version';
import { describe, expect, it } from 'vitest';
import { missing, renew } from '../../scripts/protocol-reference.mjs';
import { canonical, wireHash } from '../../scripts/wire-hash.mjs';
import { append, digestOf, faultsOf, type Line } from '../../scripts/wire-history.mjs';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const history: readonly Line[] = JSON.parse(read('protocol/history.json'));

describe('the wire contract', () => {
  it('has the hash of the last line of its history', () => {
    const last = history.at(-1);
    const hash = wireHash();
    expect(
      last?.hash === hash,
      `The wire changed (hash ${hash}, the history ends with ${last?.hash}). If that is not what you meant, undo it. ` +
        'If it is: can a peer of the old version go on? If not, raise PROTOCOL_VERSION. Then run ' +
        '`node scripts/protocol-reference.mjs --record "what changed"`.',
    ).toBe(true);
    expect(last?.version).toBe(PROTOCOL_VERSION);
  });

  it('has a history that only grows: each line carries the digest of the one before', () => {
    expect(faultsOf(history)).toEqual([]);
    expect(history.length).toBeGreaterThanOrEqual(15);
  });

  it('shows an edit of an earlier line, a line left out, and a line that was appended to another history', () => {
    const edited = history.map((line, i) => (i === 3 ? { ...line, change: 'Something else changed.' } : line));
    const fault = 'has a `previous` that is not the digest of the line before';
    expect(faultsOf(edited)).toEqual([expect.stringContaining(`line 5 ${fault}`)]);
    expect(faultsOf(history.toSpliced(3, 1))).toEqual([expect.stringContaining(`line 4 ${fault}`)]);
    expect(faultsOf(history.slice(1))).toEqual([expect.stringContaining(`line 1 ${fault}`)]);
  });

  it('takes a line for a contract that changed, and no other', () => {
    const last = history.at(-1)!;
    const line = {
      version: last.version,
      hash: '0123456789abcdef',
      date: '2126-01-01',
      change: 'A field more in hello.',
    };
    expect(append(history, line)).toEqual([...history, { ...line, previous: digestOf(last) }]);
    expect(append([], line)).toEqual([line]);
    const faultOf = (change: Partial<Line>) => faultsOf(append(history, { ...line, ...change })).join();
    expect(faultOf({})).toBe('');
    expect(faultOf({ hash: last.hash })).toContain('the wire did not change');
    expect(faultOf({ version: last.version + 2 })).toContain(`version ${last.version + 2} after ${last.version}`);
    expect(faultOf({ date: '2026-11-21' })).toContain('is dated before');
    expect(faultOf({ date: 'today' })).toContain('not YYYY-MM-DD');
    expect(faultOf({ change: ' ' })).toContain('does not say what changed');
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
});
