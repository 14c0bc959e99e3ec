/**
 * The catalogue's text: YAML to entries, or to problems with line and column; and image digests written into it, every
 * other character left as it is. Pure: reads no file.
 */
import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { Catalog, type CatalogEntry, type CatalogSource, entriesOf, problemsOf } from './catalog.js';

export interface TextProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export type CatalogReading =
  | { readonly ok: true; readonly entries: readonly CatalogEntry[] }
  | { readonly ok: false; readonly problems: readonly TextProblem[] };

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

let validator: Validator | undefined;

export function readCatalog(text: string): CatalogReading {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ pos, message }) => {
      const { line, col } = lines.linePos(pos[0]);
      return { line, column: col, message: message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, '') };
    });
    return { ok: false, problems };
  }
  const at = (path: readonly string[], message: string): TextProblem => {
    const { line, col } = lines.linePos(offsetOf(document, path));
    return { line, column: col, message };
  };
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return { ok: false, problems: [at([], error instanceof Error ? error.message : String(error))] };
  }
  validator ??= Compile(Catalog as TSchema);
  if (!validator.Check(value)) {
    const problems = schemaProblems(validator.Errors(value) as unknown as SchemaError[]);
    return { ok: false, problems: problems.map(({ path, message }) => at(path, message)) };
  }
  const source = value as CatalogSource;
  const problems = problemsOf(source).map(({ path, message }) => at(path, `${path.slice(1).join('.')}: ${message}`));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, entries: entriesOf(source) };
}

/** @returns `FILE:LINE:COLUMN: message`, a line each */
export function problemLines(file: string, problems: readonly TextProblem[]): string {
  return problems
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
    .map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`)
    .join('\n');
}

/** Images of the catalogue, by workload. */
export function imagesOf(entries: readonly CatalogEntry[]): { workload: string; image: string; digest?: string }[] {
  return entries.flatMap(({ name, container }) =>
    container
      ? [
          {
            workload: name,
            image: container.image,
            ...(container.digest === undefined ? {} : { digest: container.digest }),
          },
        ]
      : [],
  );
}

/** The text with these digests, by workload, beside their images. */
export function withDigests(text: string, digests: ReadonlyMap<string, string>): string {
  const document = parseDocument(text, { keepSourceTokens: true });
  const edits: { from: number; to: number; text: string }[] = [];
  for (const [workload, digest] of digests) {
    const old = document.getIn(['workloads', workload, 'container', 'digest'], true);
    if (isScalar(old) && old.range) {
      edits.push({ from: old.range[0], to: old.range[1], text: digest });
      continue;
    }
    const container = document.getIn(['workloads', workload, 'container'], true);
    const pair = isMap(container)
      ? container.items.find(({ key }) => isScalar(key) && key.value === 'image')
      : undefined;
    const key = pair?.key;
    const image = pair?.value;
    if (!isScalar(key) || !isScalar(image) || !key.range || !image.range) continue;
    if (isMap(container) && container.flow) {
      edits.push({ from: image.range[1], to: image.range[1], text: `, digest: "${digest}"` });
      continue;
    }
    const lineStart = text.lastIndexOf('\n', key.range[0] - 1) + 1;
    const indent = ' '.repeat(key.range[0] - lineStart);
    const end = text.indexOf('\n', image.range[1]);
    const place = end === -1 ? text.length : end;
    edits.push({ from: place, to: place, text: `\n${indent}digest: ${digest}` });
  }
  let result = text;
  for (const { from, to, text: put } of edits.sort((a, b) => b.from - a.from)) {
    result = result.slice(0, from) + put + result.slice(to);
  }
  return result;
}

function schemaProblems(errors: readonly SchemaError[]): { path: string[]; message: string }[] {
  const found = new Map<string, { path: string[]; message: string }>();
  for (const { keyword, instancePath, message, params } of errors) {
    const path = instancePath.split('/').slice(1).map(unescaped);
    const names = listOf(params?.additionalProperties) ?? listOf(params?.requiredProperties);
    const where = path.length === 0 ? 'the catalogue' : path.join('.');
    if (keyword === 'additionalProperties' && names) {
      for (const name of names) {
        const isName = path.length === 1 && path[0] === 'workloads';
        const text = isName
          ? `'${name}' cannot be a workload's name: lower-case letters, digits and hyphens, at most 32`
          : `${where}: there is no field '${name}'`;
        found.set(`${instancePath}/${name}`, { path: [...path, name], message: text });
      }
    } else if (keyword === 'required' && names) {
      found.set(`${instancePath} required`, { path, message: `${where}: needs ${names.join(', ')}` });
    } else if (!found.has(instancePath) && keyword !== 'boolean') {
      found.set(instancePath, { path, message: `${where}: ${message}` });
    }
  }
  const all = [...found.values()];
  // The problem of a part says more than "the whole must match".
  return all.filter(
    ({ path }) => !all.some((other) => other.path.length > path.length && startsWith(other.path, path)),
  );
}

const startsWith = (path: readonly string[], head: readonly string[]) => head.every((key, i) => path[i] === key);
const unescaped = (key: string): string => key.replaceAll('~1', '/').replaceAll('~0', '~');
const listOf = (value: unknown): string[] | undefined =>
  Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined;

/** The offset of a value's key, or of the nearest enclosing value that has one. */
function offsetOf(document: Document, path: readonly string[]): number {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1]!;
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => isScalar(key) && String(key.value) === last);
      if (pair && isNode(pair.key) && pair.key.range) return pair.key.range[0];
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}
