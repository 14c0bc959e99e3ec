/** Damages messages: in their structure, as a program with a defect would, and in their bytes, as an attacker would. */
import { encodeUp } from '@rma/protocol/codec';
import type { Up } from '@rma/protocol/up';
import { SUBPROTOCOL_JSON, type Subprotocol } from '@rma/protocol/version';
import type { Random } from './random.js';

type Tree = Record<string, unknown> | unknown[];

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array);

const NUMBERS = [
  0,
  -0,
  -1,
  1,
  0.5,
  63,
  64,
  65_537,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  1e308,
  NaN,
  Infinity,
];
const TEXTS = [
  '',
  ' ',
  '\u0000',
  '\u202e',
  '😀',
  '__proto__',
  'constructor',
  'toString',
  'null',
  '../../etc/passwd',
  "'; DROP",
];

/** Above what goes inline. */
const LARGE = new Uint8Array(70_000);

function strangeValue(random: Random): unknown {
  switch (random.below(10)) {
    case 0:
      return random.pick(NUMBERS);
    case 1:
      return random.pick(TEXTS);
    case 2:
      return null;
    case 3:
      return random.chance(0.5);
    case 4:
      return random.bytes(random.below(40));
    case 5:
      return [];
    case 6:
      return {};
    case 7:
      return nested(random.pick([3, 62, 63, 64, 65, 200]), random.chance(0.5));
    case 8:
      return 'x'.repeat(random.pick([127, 128, 129, 2_001, 4_097, 65_537]));
    default:
      return Array.from({ length: random.pick([2, 64, 65, 1_001]) }, (_, i) => i);
  }
}

function nested(levels: number, asMap: boolean): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = asMap ? { a: value } : [value];
  return value;
}

/** Bytes stay the same ones: they are never changed in place, and may be a view of much larger memory. */
function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copyOf(item)]));
}

/** Every place in a message where something stands. */
function places(tree: Tree, found: [Tree, string][] = []): [Tree, string][] {
  for (const key of Object.keys(tree)) {
    found.push([tree, key]);
    const value = (tree as Record<string, unknown>)[key];
    if (isTree(value)) places(value, found);
  }
  return found;
}

function changed(random: Random, value: unknown): unknown {
  if (typeof value === 'number') {
    return random.pick([value + 1, value - 1, -value, value * 2, value + 0.5, value * 1_000_003]);
  }
  if (typeof value === 'string') {
    const at = random.below(value.length + 1);
    return random.pick([
      value.slice(0, at),
      value + random.pick(TEXTS),
      value.slice(0, at) + random.pick(['z', '0', '\n', 'é', '\ud800']) + value.slice(at + 1),
      value.toUpperCase(),
      value + value,
    ]);
  }
  if (typeof value === 'boolean') return !value;
  if (value instanceof Uint8Array) {
    const copy = value.slice();
    if (copy.length > 0) copy[random.below(copy.length)] = random.below(256);
    return random.pick([copy, copy.subarray(0, random.below(copy.length + 1)), LARGE, new Uint8Array()]);
  }
  if (Array.isArray(value)) {
    return random.pick([
      [...value, ...value],
      value.toReversed(),
      value.slice(1),
      [value],
      Array(1_001).fill(value[0] ?? 0),
    ]);
  }
  return strangeValue(random);
}

/** Also under the name `__proto__`, which a plain assignment would take for the prototype. */
function put(tree: Tree, key: string, value: unknown): void {
  // A list has no names: one called `constructor` would only break this program.
  if (Array.isArray(tree) && !Object.hasOwn(tree, key)) return;
  Object.defineProperty(tree, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Changes one thing in the structure of a message, in place. `other` gives parts of other messages. */
function damage(random: Random, message: Tree, other: () => unknown): void {
  const all = places(message);
  if (all.length === 0) return;
  const [tree, key] = random.pick(all);
  const record = tree as Record<string, unknown>;
  switch (random.below(9)) {
    case 0:
      if (Array.isArray(tree)) tree.splice(Number(key), 1);
      else delete record[key];
      return;
    case 1:
      put(tree, key, strangeValue(random));
      return;
    case 2: {
      const [otherTree, otherKey] = random.pick(all);
      const swapped = (otherTree as Record<string, unknown>)[otherKey];
      // A part that came to hold itself has no encoding.
      if (isTree(swapped) || isTree(record[key])) return;
      put(otherTree, otherKey, record[key]);
      put(tree, key, swapped);
      return;
    }
    case 3:
      put(tree, random.pick(['type', 'ref', 'task', 'tasks', 'id', 'x', ...TEXTS]), record[key]);
      return;
    case 4:
      put(tree, key, copyOf(other()));
      return;
    case 5:
      put(tree, key, random.chance(0.5) ? [record[key]] : { value: record[key] });
      return;
    default:
      put(tree, key, changed(random, record[key]));
  }
}

function damageBytes(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  if (copy.length === 0) return random.bytes(3);
  const at = random.below(copy.length);
  switch (random.below(6)) {
    case 0:
      copy[at] = random.below(256);
      return copy;
    case 1:
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    case 2:
      return copy.subarray(0, at);
    case 3:
      return Buffer.concat([copy.subarray(0, at), random.bytes(1 + random.below(5)), copy.subarray(at)]);
    case 4:
      return Buffer.concat([copy, copy]);
    default:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1 + random.below(4))]);
  }
}

/** The frame of a message, valid or not. */
export function frameOf(message: unknown, subprotocol: Subprotocol): Uint8Array | string {
  try {
    return encodeUp(message as Up, subprotocol);
  } catch {
    // A payload that is none any more has no value to write in its place; a stranger would write something.
    return JSON.stringify(message, (_, value) => (value instanceof Uint8Array ? [...value.subarray(0, 50)] : value));
  }
}

/** A frame made of a valid message: damaged in its structure, in its bytes, or in both. */
export function mutate(
  random: Random,
  message: object,
  other: () => object,
  subprotocol: Subprotocol,
): Uint8Array | string {
  const copy = copyOf(message) as Tree;
  const part = () => {
    const all = places(other() as Tree);
    const [tree, key] = random.pick(all);
    return (tree as Record<string, unknown>)[key];
  };
  const inBytes = random.chance(0.2);
  if (!inBytes || random.chance(0.5)) for (let i = random.below(3); i >= 0; i--) damage(random, copy, part);
  // Some speak the other subprotocol's form.
  const spoken = random.chance(0.03)
    ? subprotocol === SUBPROTOCOL_JSON
      ? 'rma.v1.msgpack'
      : SUBPROTOCOL_JSON
    : subprotocol;
  const frame = frameOf(copy, spoken);
  if (!inBytes) return frame;
  const damaged = damageBytes(random, typeof frame === 'string' ? Buffer.from(frame) : frame);
  // Text that is not UTF-8 ends a WebSocket by its own rules (1007): the transport's tests do that.
  return typeof frame === 'string' ? Buffer.from(damaged).toString() : damaged;
}

/** A stream's data frame, or what looks like one. */
export function dataFrame(random: Random, stream: number): Uint8Array {
  const length = random.pick([0, 1, 100, 16_384, 16_385, 20_000]);
  const frame = Buffer.alloc(5 + length, random.below(256));
  frame[0] = 0xc1;
  frame.writeUInt32BE(random.pick([stream, stream, stream, 0, 2 ** 32 - 1, random.below(2 ** 32)]), 1);
  return random.chance(0.1) ? frame.subarray(0, random.below(5)) : frame;
}
