/** What a step persists and sends is listed once: every field of that list counts, also one that is added later. */
import {
  holdsOnly,
  isEmpty,
  makeEffects,
  makeOutgoing,
  type Outgoing,
  type Persist,
  persists,
} from '@rma/server/core/effects';
import { describe, expect, it } from 'vitest';

/** The same collection with something in it. */
function filled(value: unknown): unknown {
  if (value instanceof Set) return new Set([{}]);
  if (value instanceof Map) return new Map([['key', {}]]);
  return Array.isArray(value) ? [{}] : {};
}

describe('what is persisted', () => {
  it('is nothing after a step without effects', () => {
    expect(persists(makeEffects().persist)).toBe(false);
  });

  it.each(Object.keys(makeEffects().persist) as (keyof Persist)[])('includes %s', (name) => {
    const { persist } = makeEffects();
    expect(persists({ ...persist, [name]: filled(persist[name]) })).toBe(true);
  });
});

describe('what is sent', () => {
  const acknowledgement = (): Outgoing => ({ ...makeOutgoing(), acknowledgedResults: [{ task: 't', attempt: 1 }] });
  const others = (Object.keys(makeOutgoing()) as (keyof Outgoing)[]).filter((name) => name !== 'acknowledgedResults');

  it('is empty at first', () => {
    expect(Object.values(makeOutgoing()).every(isEmpty)).toBe(true);
    expect(holdsOnly(makeOutgoing(), 'acknowledgedResults')).toBe(false);
  });

  it('may be an acknowledgement alone', () => {
    expect(holdsOnly(acknowledgement(), 'acknowledgedResults')).toBe(true);
  });

  it.each(others)('is no mere acknowledgement with %s', (name) => {
    const outgoing = acknowledgement();
    expect(holdsOnly({ ...outgoing, [name]: filled(outgoing[name]) } as Outgoing, 'acknowledgedResults')).toBe(false);
  });
});
