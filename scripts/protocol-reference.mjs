/**
 * Keeps the reference tables of PROTOCOL.md equal to the schemas: what stands between `<!-- generated:NAME -->` and
 * `<!-- /generated -->` is made here. Without an option it fails where the file is stale; `--write` renews it;
 * `--record "what changed"` does that too, and appends a line to protocol/history.json; `--hash` prints the contract's hash.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ACTIONS } from '@rma/protocol/action';
import { DOWN, ROLES } from '@rma/protocol/down';
import { CLOSE, ERROR_KINDS } from '@rma/protocol/error';
import { EVENT_TYPES } from '@rma/protocol/event';
import { Gpu, GpuLoad, Hardware, LoadSample } from '@rma/protocol/hardware';
import { LIMITS } from '@rma/protocol/limits';
import { HEARTBEAT_MS, SILENCE_MS } from '@rma/protocol/liveness';
import { PoolEvent } from '@rma/protocol/pool-event';
import { QUERIES } from '@rma/protocol/query';
import { CancelReply, CancelsReply, EventsReply, TopicReply } from '@rma/protocol/reply';
import { ACTION_ROLES, MESSAGE_ROLES, QUERY_ROLES, TOPIC_ROLES } from '@rma/protocol/role';
import { StreamId } from '@rma/protocol/stream';
import * as task from '@rma/protocol/task';
import * as topic from '@rma/protocol/topic';
import { Action, Query, UP } from '@rma/protocol/up';
import { PROTOCOL_VERSION } from '@rma/protocol/version';
import * as view from '@rma/protocol/view';
import { WireError } from '@rma/protocol/wire-error';
import * as worker from '@rma/protocol/worker';
import { bounds, fieldTable, Names, shapeOf, typeOf } from './schema-table.mjs';
import { wireHash } from './wire-hash.mjs';
import { append, faultsOf } from './wire-history.mjs';

/** @typedef {import('./schema-table.mjs').Schema} Schema */

const path = fileURLToPath(new URL('../PROTOCOL.md', import.meta.url));
const historyPath = fileURLToPath(new URL('../protocol/history.json', import.meta.url));
const framesPath = fileURLToPath(new URL('../tests/protocol/fixtures/frames.json', import.meta.url));

/** Every schema that has a name in PROTOCOL.md, by name. */
const SHAPES = sorted({
  ...schemasOf(task),
  StreamId,
  ...schemasOf(worker),
  Hardware,
  Gpu,
  LoadSample,
  GpuLoad,
  Query,
  Action,
  ...schemasOf(view),
  ...Object.fromEntries(Object.entries(schemasOf(topic)).filter(([name]) => !name.endsWith('Message'))),
  PoolEvent,
  WireError,
});
const names = new Names({ ...SHAPES, EventType: PoolEvent.properties.type, ErrorKind: WireError.properties.kind });

/** The order of a module's exports depends on the loader. @param {Record<string, unknown>} schemas */
function sorted(schemas) {
  return Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @param {object} module @returns {Record<string, unknown>} the schemas that it exports: they are capitalised objects */
function schemasOf(module) {
  return Object.fromEntries(
    Object.entries(module).filter(([name, value]) => /^[A-Z][a-z]/.test(name) && typeof value === 'object'),
  );
}

/** @param {readonly string[]} head @param {readonly (readonly unknown[])[]} rows */
function table(head, rows) {
  const line = (/** @type {readonly unknown[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** @param {string} first @param {Readonly<Record<string, readonly string[]>>} roles */
function roleTable(first, roles) {
  return table(
    [first, ...ROLES],
    Object.entries(roles).map(([name, may]) => [
      `\`${name}\``,
      ...ROLES.map((role) => (may.includes(role) ? 'yes' : '·')),
    ]),
  );
}

/** What `reply` holds, by the message that it answers; a shape without a name has its fields spelled out. */
function replyTable() {
  const rows = [
    ...Object.entries(QUERIES).map(([name, { reply }]) => [`query \`${name}\``, reply]),
    ...Object.entries(ACTIONS).map(([name, { reply }]) => [`act \`${name}\``, reply]),
    ['`cancel`', CancelReply],
    ['`cancels`', CancelsReply],
    ['`subscribe` to `events`', EventsReply],
    ['`subscribe` to any other topic', TopicReply],
  ];
  return table(
    ['answer to', '`result`'],
    rows.map(([name, reply]) => [name, resultOf(/** @type {Schema} */ (reply))]),
  );
}

/** @param {Schema} schema */
function resultOf(schema) {
  if (names.of(schema) || !schema.properties) return typeOf(schema, names);
  const fields = Object.entries(schema.properties).map(([field, one]) => `\`${field}\`: ${typeOf(one, names)}`);
  return `{${fields.join(', ')}}`;
}

/** @param {string} name @param {unknown} of */
function shape(name, of) {
  const schema = /** @type {Schema} */ (of);
  const head = `#### ${name}\n`;
  const words = schema.description ? `${schema.description}. ` : '';
  if (schema.anyOf?.every((one) => one.properties)) {
    return `${head}${words}One of:\n\n${schema.anyOf.map((one) => fieldTable(one, names)).join('\n\n')}`;
  }
  if (schema.properties || schema.allOf) return `${head}${words ? `${words}\n\n` : ''}${fieldTable(schema, names)}`;
  const limits = bounds(schema);
  return `${head}${words}${shapeOf(schema, names)}${limits ? `: ${limits}` : ''}.`;
}

/** A recorded frame, 16 bytes a line, as in `xxd`. @param {string} name */
function recorded(name) {
  const frames = /** @type {{name: string, hex?: string, text?: string}[]} */ (
    JSON.parse(readFileSync(framesPath, 'utf8'))
  );
  const frame = frames.find((one) => one.name === name);
  if (!frame) throw new Error(`tests/protocol/fixtures/frames.json has no frame called '${name}'`);
  if (frame.text !== undefined) return `\`\`\`json\n${frame.text}\n\`\`\``;
  const bytes = Buffer.from(frame.hex ?? '', 'hex');
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = (row.toString('hex').match(/../g) ?? []).join(' ').padEnd(48);
    lines.push(`${hex} ${row.toString('latin1').replaceAll(/[^ -~]/g, '.')}`);
  }
  return `\`\`\`text\n${lines.join('\n')}\n\`\`\``;
}

/** @type {Readonly<Record<string, () => string>>} */
const SECTIONS = {
  roles: () => roleTable('message', MESSAGE_ROLES),
  'query-roles': () => roleTable('query', QUERY_ROLES),
  'topic-roles': () => roleTable('topic', TOPIC_ROLES),
  'action-roles': () => roleTable('action', ACTION_ROLES),
  replies: replyTable,
  errors: () =>
    table(
      ['kind', 'meaning'],
      Object.entries(ERROR_KINDS).map(([kind, meaning]) => [`\`${kind}\``, meaning]),
    ),
  close: () =>
    table(
      ['code', 'name', 'dial again?', 'meaning'],
      Object.entries(CLOSE).map(([name, { code, retry, meaning }]) => [
        code,
        `\`${name}\``,
        retry ? 'yes' : 'no',
        meaning,
      ]),
    ),
  limits: () =>
    table(
      ['limit', 'value'],
      Object.entries({ ...LIMITS, heartbeatMs: HEARTBEAT_MS, silenceMs: SILENCE_MS }).map(([name, value]) => [
        `\`${name}\``,
        value,
      ]),
    ),
  moves: () =>
    table(
      ['from', 'to'],
      Object.entries(task.TASK_MOVES).map(([from, to]) => [
        `\`${from}\``,
        to.map((state) => `\`${state}\``).join(', ') || 'final',
      ]),
    ),
  events: () =>
    table(
      ['event', 'when; data'],
      Object.entries(EVENT_TYPES).map(([type, when]) => [`\`${type}\``, when]),
    ),
  shapes: () =>
    Object.entries(SHAPES)
      .map(([name, schema]) => shape(name, schema))
      .join('\n\n'),
};

/** @param {string} name of a section, `up.TYPE`, `down.TYPE` or `frame.NAME` */
function section(name) {
  const [family = '', ...rest] = name.split('.');
  const type = rest.join('.');
  if (family === 'frame') return recorded(type);
  const message = family === 'up' ? Object.entries(UP) : family === 'down' ? Object.entries(DOWN) : undefined;
  if (message) {
    const schema = message.find(([one]) => one === type)?.[1];
    if (schema) return fieldTable(/** @type {Schema} */ (schema), names);
  }
  const make = SECTIONS[name];
  if (!make) throw new Error(`PROTOCOL.md asks for '${name}', which this script does not make`);
  return make();
}

/**
 * @param {string} text of PROTOCOL.md
 * @returns {string} the same with every generated part renewed
 */
export function renew(text) {
  return text.replaceAll(
    /<!-- generated:(\S+) -->\n[\s\S]*?<!-- \/generated -->/g,
    (_, name) => `<!-- generated:${name} -->\n${section(name)}\n<!-- /generated -->`,
  );
}

/** @param {string} text @returns {string[]} the names of messages and tables that have no marker in PROTOCOL.md */
export function missing(text) {
  return [
    ...Object.keys(UP).map((type) => `up.${type}`),
    ...Object.keys(DOWN).map((type) => `down.${type}`),
    ...Object.keys(SECTIONS),
  ].filter((name) => !text.includes(`<!-- generated:${name} -->`));
}

/**
 * Appends the contract as it is now to its history.
 * @param {string} change what changed, and why
 * @returns {string | undefined} why not
 */
function record(change) {
  const history = /** @type {import('./wire-history.mjs').Line[]} */ (JSON.parse(readFileSync(historyPath, 'utf8')));
  const date = new Date().toISOString().slice(0, 10);
  const longer = append(history, { version: PROTOCOL_VERSION, hash: wireHash(), date, change });
  const faults = faultsOf(longer);
  if (faults.length > 0) return `protocol/history.json takes no such line: ${faults.join('; ')}`;
  writeFileSync(historyPath, `${JSON.stringify(longer, null, 2)}\n`);
  return undefined;
}

/** @param {readonly string[]} args @returns {string | undefined} what is wrong */
function main([option, change = '']) {
  if (option === '--hash') {
    console.log(wireHash());
    return undefined;
  }
  const text = readFileSync(path, 'utf8');
  const lacking = missing(text);
  if (lacking.length > 0) return `PROTOCOL.md lacks the marker of: ${lacking.join(', ')}`;
  const fresh = renew(text);
  const isStale = fresh !== text;
  if (option === undefined)
    return isStale ? 'PROTOCOL.md is stale: run `node scripts/protocol-reference.mjs --write`' : undefined;
  if (option !== '--write' && option !== '--record')
    return `unknown option ${option}: --write, --record "what changed" or --hash`;
  if (isStale) writeFileSync(path, fresh);
  return option === '--record' ? record(change) : undefined;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const problem = main(process.argv.slice(2));
  if (problem !== undefined) {
    console.error(problem);
    process.exitCode = 1;
  }
}
