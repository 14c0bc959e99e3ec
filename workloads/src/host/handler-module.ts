/**
 * Loads a module of handlers inside a handler process: its `handlers` export or its default export, a map from
 * kind to function. A problem is returned as a sentence that names the file and, where known, the line.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Handler, TaskError } from '../runtime.js';

/** A module after loading. */
export type LoadedModule =
  | { readonly ok: true; readonly handlers: Readonly<Record<string, Handler>> }
  | { readonly ok: false; readonly reason: string };

/** The same rule as the protocol's for kinds. */
const KIND = /^[a-z0-9][a-z0-9_.-]{0,63}$/;
const SHAPE = "export default { 'my.kind': async (input, context) => output }";

/** Imports the module at a file URL; also awaits its `warm()`, where it has one, so that the first task finds it ready. */
export async function loadModule(url: string): Promise<LoadedModule> {
  const file = fileURLToPath(url);
  if (!existsSync(file))
    return { ok: false, reason: `${file} does not exist. Give --handlers the path of a JavaScript file.` };
  try {
    const module = (await import(url)) as Record<string, unknown>;
    const found = readHandlers(module.handlers ?? module.default, file);
    if (found.ok && typeof module.warm === 'function') await module.warm();
    return found;
  } catch (error) {
    return { ok: false, reason: explain(error, url, file) };
  }
}

function readHandlers(exported: unknown, file: string): LoadedModule {
  if (typeof exported !== 'object' || exported === null || Array.isArray(exported)) {
    return { ok: false, reason: `${file} exports no handlers. Expected: ${SHAPE}` };
  }
  const entries = Object.entries(exported);
  if (entries.length === 0)
    return { ok: false, reason: `${file} exports an empty map of handlers. Expected: ${SHAPE}` };
  for (const [kind, handler] of entries) {
    if (!KIND.test(kind)) {
      return {
        ok: false,
        reason: `${file}: '${kind}' is no valid kind. Use up to 64 of a-z, 0-9, '.', '_' and '-', such as 'my.kind'.`,
      };
    }
    if (typeof handler !== 'function') {
      return {
        ok: false,
        reason: `${file}: the handler of '${kind}' is of type ${typeof handler}. Expected: ${SHAPE}`,
      };
    }
  }
  return { ok: true, handlers: Object.assign(Object.create(null), exported) as Record<string, Handler> };
}

/** For example `mine.mjs:3: SyntaxError: Unexpected token '=>'`. */
function explain(error: unknown, url: string, file: string): string {
  // Thrown by a built-in module, with its own remedy; the file's name would not help.
  if (error instanceof TaskError) return error.message;
  if (!(error instanceof Error)) return `${file} threw while loading: ${String(error)}`;
  const stack = error.stack ?? '';
  const place =
    placeIn(stack, url) ??
    placeIn(stack, file) ??
    (error instanceof SyntaxError ? placeOfSyntaxError(file) : undefined);
  return `${place === undefined ? file : `${file}:${place}`}: ${error.name}: ${error.message}`;
}

/** The first `line[:column]` that follows the file's name. */
function placeIn(text: string, name: string): string | undefined {
  const at = text.indexOf(`${name}:`);
  return at < 0 ? undefined : /^\d+(:\d+)?/.exec(text.slice(at + name.length + 1))?.[0];
}

/** Node's SyntaxError of an ES module has no line; `node --check` prints it. */
function placeOfSyntaxError(file: string): string | undefined {
  const check = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8', timeout: 10_000 });
  const output = check.stderr ?? '';
  return placeIn(output, file) ?? placeIn(output, relative(process.cwd(), file));
}
