/**
 * What a Markdown document says about the tree, read from its inline code: `path/to/file.ts#name` for a declaration,
 * `path/to/file.ts` and `path/to/folder/` for what has to exist. A path stands from the root or from a package's sources
 * (`core/step.ts` for `server/src/core/step.ts`).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';

/** Where a path may begin. */
const BASES = [
  '',
  ...['protocol', 'peer', 'workloads', 'server', 'agent', 'client', 'dashboard'].map((name) => `${name}/src/`),
];
/** What builds and runs make: in no checkout. */
const MADE = /(^|\/)(dist|build|node_modules|data)(\/|$)/;
const REFERENCE = /`((?:[\w.@()[\]+-]+\/)+[\w.@()[\]+-]*)(?:#(\w+))?`/g;
const SOURCE = /\.(ts|mjs|js|svelte|json|md|ya?ml|py|sh)$/;

export interface Reference {
  readonly line: number;
  readonly path: string;
  readonly name: string | undefined;
}

/** Those that are meant as paths of this tree: with a name, with a known ending, or of a folder. */
export function referencesIn(markdown: string): Reference[] {
  return markdown.split('\n').flatMap((text, i) =>
    [...text.matchAll(REFERENCE)]
      .map(([, path = '', name]) => ({ line: i + 1, path, name }))
      .filter(({ path, name }) => name !== undefined || SOURCE.test(path) || isFolder(path))
      // A capitalised part stands for a name that the reader chooses; `../x.js` is what an import says.
      .filter(({ path }) => !MADE.test(path) && !path.startsWith('.') && !/(^|\/)[A-Z]+(\/|\.|$)/.test(path)),
  );
}

/** At least two parts, so that `data/` of a text about something else is not meant. */
function isFolder(path: string): boolean {
  return path.endsWith('/') && path.split('/').length > 2;
}

/** @returns a sentence for each reference that leads nowhere, with where its file or name is now, if anywhere */
export function faultsOf(root: string, document: string, markdown: string): string[] {
  const declarations = new Map<string, ReadonlySet<string>>();
  const declares = (file: string, name: string): boolean => {
    const known = declarations.get(file) ?? declarationsOf(join(root, file));
    declarations.set(file, known);
    return known.has(name);
  };
  return referencesIn(markdown).flatMap(({ line, path, name }) => {
    const file = BASES.map((base) => base + path).find((candidate) => existsSync(join(root, candidate)));
    const where = `${document}:${line}: \`${path}${name === undefined ? '' : `#${name}`}\``;
    if (file === undefined) return [`${where}: there is no ${path}${hint(elsewhere(root, path))}`];
    if (name === undefined || declares(file, name)) return [];
    return [`${where}: ${file} declares no ${name}${hint(sources(root).filter((other) => declares(other, name)))}`];
  });
}

/**
 * @param folder of the document, from the root: relative links begin there
 * @returns a sentence for each link to a file that does not exist, or to a heading that a Markdown file does not have
 */
export function brokenLinks(root: string, folder: string, document: string, markdown: string): string[] {
  return [...markdown.matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].flatMap(([link, path = '', anchor]) => {
    const target = path === '' ? join(root, document) : join(root, folder, path);
    if (!existsSync(target)) return [`${document}: ${link.slice(1)} leads to no file`];
    if (anchor === undefined || !target.endsWith('.md') || anchorsOf(readFileSync(target, 'utf8')).has(anchor))
      return [];
    return [`${document}: ${link.slice(1)} leads to no heading`];
  });
}

/** As the hosting platform makes them of headings. */
function anchorsOf(markdown: string): ReadonlySet<string> {
  const headings = [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase());
  return new Set(headings.map((heading) => heading.replaceAll(/[^\p{L}\p{N}\- _]/gu, '').replaceAll(' ', '-')));
}

function hint(found: readonly string[]): string {
  return found.length === 0 ? '' : ` (now in ${found.slice(0, 3).join(', ')}?)`;
}

function elsewhere(root: string, path: string): string[] {
  return sources(root).filter((file) => basename(file) === basename(path));
}

function sources(root: string): string[] {
  return BASES.filter((base) => base !== '' && existsSync(join(root, base))).flatMap((base) =>
    readdirSync(join(root, base), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => base + path.replaceAll('\\', '/')),
  );
}

/** Functions, classes, methods, properties, types and variables that a file declares; private names without their `#`. */
function declarationsOf(file: string): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    const name = isDeclaration(node) ? node.name : undefined;
    if (name !== undefined && ts.isMemberName(name)) names.add(name.text.replace(/^#/, ''));
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest));
  return names;
}

function isDeclaration(node: ts.Node) {
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isVariableDeclaration(node) ||
    ts.isClassElement(node) ||
    ts.isTypeElement(node)
  );
}
