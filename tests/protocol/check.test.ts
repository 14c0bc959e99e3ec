import { checkDown, checkUp } from '@rma/protocol/check';
import { ROLES } from '@rma/protocol/down';
import { CLOSE, closeName, ERROR_KINDS, ProtocolError } from '@rma/protocol/error';
import { packPayload } from '@rma/protocol/payload';
import { MESSAGE_ROLES } from '@rma/protocol/role';
import { UP } from '@rma/protocol/up';
import { WireError } from '@rma/protocol/wire-error';
import { Check } from 'typebox/value';
import { describe, expect, it } from 'vitest';

const id = '0198f0aa-3b00-7c51-9d42-6f1f5f0c2a11';
const task = { id, kind: 'echo', input: packPayload(null) };
const submit = (change: object) => ({ type: 'submit', tasks: [{ ...task, ...change }] });

function errorOf(act: () => unknown): ProtocolError {
  try {
    act();
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('an invalid message', () => {
  it.each<[string, object, string, RegExp]>([
    ['a kind in capitals', submit({ kind: 'OCR' }), '/tasks/0/kind', /pattern/],
    ['an id that is no UUIDv7', submit({ id: '5c0c3d6e-0000-4000-8000-000000000000' }), '/tasks/0/id', /pattern/],
    ['a priority beyond its bounds', submit({ priority: 101 }), '/tasks/0/priority', /<= 100/],
    ['a priority with a fraction', submit({ priority: 0.5 }), '/tasks/0/priority', /integer/],
    ['an input that is no payload', submit({ input: { text: 'hello' } }), '/tasks/0/input', /payload/],
    [
      'a constraint of the wrong sort',
      submit({ constraints: { tier: 'gpu' } }),
      '/tasks/0/constraints/tier',
      /integer/,
    ],
    ['no bytes for a map', submit({ constraints: new Uint8Array(0) }), '/tasks/0/constraints', /map/],
    ['bytes for a map', submit({ constraints: Uint8Array.of(1, 2) }), '/tasks/0/constraints', /map/],
    [
      'no bytes for a map of any fields',
      submit({ constraints: { labels: new Uint8Array(0) } }),
      '/tasks/0/constraints/labels',
      /map/,
    ],
    [
      'no bytes for a map in one of several forms',
      { type: 'act', ref: 1, action: { do: 'worker.label', worker: 'w-1cbh4nab', labels: new Uint8Array(0) } },
      '/action/labels',
      /map/,
    ],
    ['no tasks at all', { type: 'submit', tasks: [] }, '/tasks', /1/],
    ['too many tasks', { type: 'submit', tasks: Array(1_001).fill(task) }, '/tasks', /1000/],
    ['an unknown query', { type: 'query', ref: 1, query: { what: 'secrets' } }, '/query/what', /tasks|equal|const/],
    [
      'a field of the meant query',
      { type: 'query', ref: 1, query: { what: 'events', since: -1 } },
      '/query/since',
      />= 0/,
    ],
    ['a ref of zero', { type: 'cancel', ref: 0, task: id }, '/ref', />= 1/],
  ])('is refused with path and expectation: %s', (_, message, path, expected) => {
    const error = errorOf(() => checkUp(message));
    expect(error).toMatchObject({ kind: 'invalid', path });
    expect(error.expected).toMatch(expected);
    expect(error.message).toContain(path);
    expect(Check(WireError, error.toWire())).toBe(true);
  });

  it('is refused with the name of the field that is missing', () => {
    const error = errorOf(() => checkUp({ type: 'cancel', ref: 1 }));
    expect(error.kind).toBe('invalid');
    expect(error.message).toContain('task');
  });

  it('is refused as unknown where its type is, without an echo of a long one', () => {
    const error = errorOf(() => checkUp({ type: 'x'.repeat(10_000) }));
    expect(error).toMatchObject({ kind: 'unknown_message', path: '/type' });
    expect(error.message.length).toBeLessThan(200);
  });

  it('is refused when the other side would have to send it', () => {
    expect(errorOf(() => checkUp({ type: 'welcome' })).kind).toBe('unknown_message');
    expect(errorOf(() => checkDown({ type: 'submit', tasks: [] })).kind).toBe('unknown_message');
  });
});

describe('a valid message', () => {
  it('may have fields that this side does not know', () => {
    expect(checkUp({ ...submit({ hedge: true }), later: [1] })).toMatchObject({ later: [1] });
  });
});

describe('the tables of the protocol', () => {
  it('say for every message who may send it, in roles that exist', () => {
    expect(Object.keys(MESSAGE_ROLES).sort()).toEqual(Object.keys(UP).sort());
    for (const roles of Object.values(MESSAGE_ROLES)) {
      expect(roles.length).toBeGreaterThan(0);
      expect(ROLES).toEqual(expect.arrayContaining([...roles]));
    }
  });

  it('have a name for each close code, once, and none for others', () => {
    const codes = Object.values(CLOSE).map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
    for (const [name, { code }] of Object.entries(CLOSE)) expect(closeName(code)).toBe(name);
    expect(closeName(1006)).toBeUndefined();
  });

  it('use close codes that a WebSocket may send', () => {
    const allowed = (code: number) => [1000, 1001, 1009, 1012, 1013].includes(code) || (code >= 4000 && code < 5000);
    expect(Object.values(CLOSE).filter(({ code }) => !allowed(code))).toEqual([]);
  });

  it('say in words what each error means', () => {
    for (const meaning of Object.values(ERROR_KINDS)) expect(meaning.length).toBeGreaterThan(10);
  });
});
