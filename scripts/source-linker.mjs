/**
 * Loads TypeScript sources of the coordinator and of tests in this process, without a build: each file becomes a function
 * (CommonJS), so that a fresh instance of all of them takes milliseconds, one of them possibly changed. What lies outside of
 * the sources (packages, the protocol, Node) is loaded once and shared.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { compileFunction } from 'node:vm';
import ts from 'typescript';

/** The package whose sources are linked; the others are imported as they are installed. */
const LINKED = { prefix: '@rma/server/', folder: 'server/src/' };

/** @typedef {Record<string, unknown>} Exports */
/** @typedef {{run: Function, requires: Map<string, string>}} Linked `requires`: specifier to the file or the outside module */

const COMPILER_OPTIONS = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.CommonJS,
  esModuleInterop: false,
  inlineSourceMap: true,
  inlineSources: true,
};

export class SourceLinker {
  #root;
  /** @type {Map<string, Linked>} */
  #files = new Map();
  /** @type {Map<string, Exports>} */
  #outside;

  /**
   * @param {string} root
   * @param {Record<string, Exports>} [outside] modules that take the place of outside ones
   */
  constructor(root, outside = {}) {
    this.#root = root;
    this.#outside = new Map(Object.entries(outside));
  }

  /** Reads a file and all that it imports. @param {string} entry from the root, with its ending */
  async add(entry) {
    const pending = [entry];
    for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
      if (this.#files.has(file)) continue;
      const linked = this.compile(file, this.#source(file));
      this.#files.set(file, linked);
      for (const target of linked.requires.values()) {
        if (target.endsWith('.ts')) pending.push(target);
        else if (!this.#outside.has(target)) this.#outside.set(target, await import(target));
      }
    }
  }

  /** @param {string} file */
  #source(file) {
    return readFileSync(join(this.#root, file), 'utf8');
  }

  /** @param {string} file @param {string} source @returns {Linked} */
  compile(file, source) {
    const { outputText } = ts.transpileModule(source, {
      fileName: join(this.#root, file),
      compilerOptions: COMPILER_OPTIONS,
    });
    const run = compileFunction(outputText, ['exports', 'require'], { filename: join(this.#root, file) });
    const imports = [...outputText.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, specifier = '']) => specifier);
    return { run, requires: new Map(imports.map((specifier) => [specifier, this.#resolve(file, specifier)])) };
  }

  /** @param {string} file @param {string} specifier */
  #resolve(file, specifier) {
    const linked = specifier.startsWith(LINKED.prefix);
    if (!linked && !specifier.startsWith('.')) return specifier;
    const path = linked
      ? `${LINKED.folder}${specifier.slice(LINKED.prefix.length)}.ts`
      : join(dirname(file), specifier).replace(/\.js$/, '.ts');
    if (!existsSync(join(this.#root, path))) throw new Error(`${file} imports ${specifier}, and there is no ${path}`);
    // Where a file needs to know its own place it is imported as it was built.
    const isModuleOnly = path.startsWith(LINKED.folder) && this.#source(path).includes('import.meta');
    return isModuleOnly ? `${LINKED.prefix}${path.slice(LINKED.folder.length, -'.ts'.length)}` : path;
  }

  /**
   * Fresh instances of a file and all that it imports.
   * @param {string} entry
   * @param {Map<string, Linked>} [changed] files that differ in this instance
   * @param {Map<string, Exports>} [instances] given the same map, several entries share their modules
   * @returns {Exports}
   */
  load(entry, changed = new Map(), instances = new Map()) {
    const known = instances.get(entry);
    if (known) return known;
    const linked = changed.get(entry) ?? this.#files.get(entry);
    if (!linked) throw new Error(`${entry} was not added`);
    /** @type {Exports} */
    const exports = {};
    instances.set(entry, exports);
    linked.run(exports, (/** @type {string} */ specifier) => {
      const target = linked.requires.get(specifier) ?? specifier;
      return this.#outside.get(target) ?? this.load(target, changed, instances);
    });
    return exports;
  }
}
