/** The call of the form as an `rma` command, SDK code and a curl command, each ready to run. Pure. */
import type { Constraints } from '@rma/client';
import { shWord } from '@rma/client/shell-quote';
import { base64FromBytes } from '@rma/protocol/payload';
import { isMap } from '../values/shape.js';
import { AttachedFile, type Call, mainFile } from './call.js';

/** Text, with files where their base64 goes. */
type Parts = readonly (string | AttachedFile)[];

/** Longer inputs are piped: one argument is limited to 128 KiB on Linux. */
const MAX_ARGUMENT = 60_000;
/** The HTTP interface takes bodies up to this. */
export const MAX_HTTP_BODY_BYTES = 8 * 1_048_576;
const HTTP_WAIT_S = 60;

/** `rma submit …`, for POSIX shells. Needs RMA_TOKEN. */
export function commandOf(call: Call, url: string): string {
  const { kind, input, options } = call;
  const main = mainFile(input);
  const rest = main ? main.rest : input;
  const words = [`RMA_URL=${shWord(url)} rma submit ${shWord(kind)}`];
  let pipe = '';
  if (main) words.push(`--file ${fileWord(main.file)}`);
  const isNothing = main ? Object.keys(main.rest).length === 0 : input === null || input === undefined;
  if (!isNothing) {
    const parts = jsonParts(rest);
    const word = shellText(parts);
    if (parts.length > 1 || word.length > MAX_ARGUMENT) {
      pipe = `printf '%s' ${word} |\n  `;
      words.push('--input -');
    } else words.push(`--input ${word}`);
  }
  if (options.priority) words.push(`--priority ${options.priority}`);
  if (options.maxAttempts !== undefined) words.push(`--max-attempts ${options.maxAttempts}`);
  words.push(...constraintWords(options.constraints ?? {}));
  words.push('--wait');
  return pipe + folded(words);
}

function constraintWords({ tier, model, minVramMiB, labels, trust, worker }: Constraints): readonly string[] {
  return [
    ...(tier === undefined ? [] : [`--tier ${tier}`]),
    ...(model === undefined ? [] : [`--model ${shWord(model)}`]),
    ...(minVramMiB === undefined ? [] : [`--min-vram ${minVramMiB}MiB`]),
    ...Object.entries(labels ?? {}).map(([name, value]) => `--label ${shWord(`${name}=${value}`)}`),
    ...(trust === undefined ? [] : ['--trusted']),
    ...(worker === undefined ? [] : [`--worker ${shWord(worker)}`]),
  ];
}

/** For curl, in POSIX shells. Needs RMA_TOKEN. */
export function curlOf(call: Call, url: string): string {
  const { kind, input, options } = call;
  const body = jsonParts({ kind, input, ...options });
  const word = shellText(body);
  const isLong = body.length > 1 || word.length > MAX_ARGUMENT;
  const words = [
    `curl -sS ${shWord(`${url}/api/tasks?wait=${HTTP_WAIT_S}`)}`,
    '-H "Authorization: Bearer $RMA_TOKEN"',
    "-H 'Content-Type: application/json'",
    `--data-binary ${isLong ? '@-' : word}`,
  ];
  return (isLong ? `printf '%s' ${word} |\n  ` : '') + folded(words);
}

/** A module for Node with `@rma/client`. Needs RMA_TOKEN. */
export function codeOf({ kind, input, options }: Call, url: string): string {
  const files = filesOf(input);
  const hasOptions = Object.keys(options).length > 0;
  const hasInput = input !== null && input !== undefined;
  const args = [
    JSON.stringify(kind),
    ...(hasInput || hasOptions ? [literal(hasInput ? input : null, '')] : []),
    ...(hasOptions ? [literal(options, '')] : []),
  ];
  return [
    ...(files.length > 0 ? ["import { readFile } from 'node:fs/promises';"] : []),
    "import { connect } from '@rma/client';",
    '',
    `const client = connect({ url: ${JSON.stringify(url)}, token: process.env.RMA_TOKEN${isPlainHttp(url) ? ', insecure: true' : ''} });`,
    `const task = client.submit(${args.join(', ')});`,
    'console.log(await task.output());',
    'await client.close();',
  ].join('\n');
}

/** Whether the body exceeds the limit of the HTTP interface. */
export function isTooLargeForHttp(call: Call): boolean {
  const base64 = filesOf(call.input).reduce((sum, { bytes }) => sum + Math.ceil(bytes.length / 3) * 4, 0);
  return base64 > MAX_HTTP_BODY_BYTES - 65_536;
}

/** Plain http to another machine exposes the token: the SDK requires `insecure`. */
function isPlainHttp(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

function folded(words: readonly string[]): string {
  const line = words.join(' ');
  return line.length <= 96 ? line : words.join(' \\\n  ');
}

/** With ./ before a leading dash, which would be taken for an option. */
function pathOf({ name }: AttachedFile): string {
  return name.startsWith('-') ? `./${name}` : name;
}

function fileWord(file: AttachedFile): string {
  return shWord(pathOf(file));
}

function shellText(parts: Parts): string {
  return parts
    .filter((part) => part !== '')
    .map((part) => (typeof part === 'string' ? shWord(part) : `"$(base64 < ${fileWord(part)} | tr -d '\\n')"`))
    .join('');
}

/** JSON on one line; files as `{"$bytes": …}` whose base64 the shell inserts. */
function jsonParts(value: unknown): Parts {
  const parts: (string | AttachedFile)[] = [''];
  const append = (text: string) => {
    const last = parts.at(-1);
    if (typeof last === 'string') parts[parts.length - 1] = last + text;
    else parts.push(text);
  };
  const walk = (item: unknown): void => {
    if (item instanceof AttachedFile) {
      append('{"$bytes":"');
      parts.push(item);
      append('"}');
    } else if (item instanceof Uint8Array) append(`{"$bytes":"${base64FromBytes(item)}"}`);
    else if (Array.isArray(item)) {
      append('[');
      for (const [i, one] of item.entries()) {
        if (i > 0) append(',');
        walk(one);
      }
      append(']');
    } else if (isMap(item)) {
      append('{');
      let isFirst = true;
      for (const [name, one] of Object.entries(item)) {
        if (one === undefined) continue;
        append(`${isFirst ? '' : ','}${JSON.stringify(name)}:`);
        isFirst = false;
        walk(one);
      }
      append('}');
    } else append(JSON.stringify(item ?? null));
  };
  walk(value);
  return parts;
}

/** A value as JavaScript. */
function literal(value: unknown, indent: string): string {
  const deeper = `${indent}  `;
  if (value instanceof AttachedFile) return `await readFile(${JSON.stringify(pathOf(value))})`;
  if (value instanceof Uint8Array) return `Buffer.from(${JSON.stringify(base64FromBytes(value))}, 'base64')`;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    const items = value.map((item) => literal(item, deeper));
    return block('[', items, ']', indent);
  }
  if (isMap(value)) {
    const fields = Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([name, item]) => `${propertyName(name)}: ${literal(item, deeper)}`);
    return fields.length === 0 ? '{}' : block('{', fields, '}', indent);
  }
  return JSON.stringify(value ?? null);
}

function block(open: string, items: readonly string[], close: string, indent: string): string {
  const space = open === '{' ? ' ' : '';
  const line = `${open}${space}${items.join(', ')}${space}${close}`;
  if (line.length <= 72 && !line.includes('\n')) return line;
  return `${open}\n${items.map((item) => `${indent}  ${item},`).join('\n')}\n${indent}${close}`;
}

function propertyName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) && name !== '__proto__' ? name : JSON.stringify(name);
}

function filesOf(input: unknown): readonly AttachedFile[] {
  const files: AttachedFile[] = [];
  const walk = (item: unknown): void => {
    if (item instanceof AttachedFile) files.push(item);
    else if (Array.isArray(item)) for (const one of item) walk(one);
    else if (isMap(item)) for (const one of Object.values(item)) walk(one);
  };
  walk(input);
  return files;
}
