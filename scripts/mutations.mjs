/**
 * Small changes of TypeScript sources, one at a time: a statement deleted, a comparison flipped, a condition negated, a field
 * or an argument dropped, a number one higher. What mutate.mjs and mutate-core.mjs try on the tests.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/**
 * @typedef {{file: string, line: number, kind: string, from: number, to: number, text: string}} Mutation
 *   `text` takes the place of what stands from `from` to `to`
 */

/** Operators and what each becomes. @type {Partial<Record<ts.SyntaxKind, [kind: string, text: string]>>} */
const FLIPS = {
  [ts.SyntaxKind.LessThanToken]: ['comparison', '<='],
  [ts.SyntaxKind.LessThanEqualsToken]: ['comparison', '<'],
  [ts.SyntaxKind.GreaterThanToken]: ['comparison', '>='],
  [ts.SyntaxKind.GreaterThanEqualsToken]: ['comparison', '>'],
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: ['comparison', '!=='],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: ['comparison', '==='],
  [ts.SyntaxKind.AmpersandAmpersandToken]: ['logic', '||'],
  [ts.SyntaxKind.BarBarToken]: ['logic', '&&'],
  [ts.SyntaxKind.PlusToken]: ['arithmetic', '-'],
  [ts.SyntaxKind.MinusToken]: ['arithmetic', '+'],
};

/**
 * Every mutation of one file.
 * @param {string} file
 * @param {string} source
 * @returns {Mutation[]}
 */
export function mutationsOf(file, source) {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ES2023, true);
  /** @type {Mutation[]} */
  const found = [];
  const add = (/** @type {string} */ kind, /** @type {number} */ from, /** @type {number} */ to, text = '') => {
    found.push({ file, line: tree.getLineAndCharacterOfPosition(from).line + 1, kind, from, to, text });
  };
  const visit = (/** @type {ts.Node} */ node) => {
    // What is thrown is for people, and types are gone when it runs.
    if (ts.isThrowStatement(node) || ts.isTypeNode(node) || ts.isImportDeclaration(node)) return;
    const [from, to] = [node.getStart(tree), node.end];
    if (ts.isExpressionStatement(node) && ts.isBlock(node.parent)) add('statement', from, to, ';');
    else if (ts.isBinaryExpression(node)) {
      const flip = FLIPS[node.operatorToken.kind];
      if (flip && !hasText(node)) add(flip[0], node.operatorToken.getStart(tree), node.operatorToken.end, flip[1]);
    } else if (ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node)) {
      const after = /^\s*,/.exec(source.slice(to));
      add('field', from, to + (after?.[0].length ?? 0));
    } else if (ts.isNumericLiteral(node)) add('number', from, to, `(${node.text} + 1)`);
    else if (ts.isCallExpression(node) && node.arguments.length > 1) {
      const [last, before] = [node.arguments.at(-1), node.arguments.at(-2)];
      if (last && before && !ts.isStringLiteralLike(last)) add('argument', before.end, last.end);
    }
    const condition = ts.isIfStatement(node)
      ? node.expression
      : ts.isConditionalExpression(node)
        ? node.condition
        : undefined;
    if (condition) add('condition', condition.getStart(tree), condition.end, `!(${condition.getText(tree)})`);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** `+` between texts joins them. @param {ts.BinaryExpression} node */
function hasText({ left, right }) {
  return [left, right].some((side) => ts.isStringLiteralLike(side) || ts.isTemplateExpression(side));
}

/** @param {number} seed @returns {(below: number) => number} whole numbers, the same for the same seed (mulberry32) */
function randomFrom(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** @param {string} source @param {Mutation} mutation */
export function mutate(source, { from, to, text }) {
  return source.slice(0, from) + text + source.slice(to);
}

/** The line before and after, for people. @param {string} source @param {Mutation} mutation */
export function linesOf(source, mutation) {
  const lineOf = (/** @type {string} */ code) => code.split('\n')[mutation.line - 1]?.trim() ?? '';
  return { before: lineOf(source), after: lineOf(mutate(source, mutation)) };
}

/** @param {string} root @param {string} folder @param {string} ending */
export function filesBelow(root, folder, ending) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)
    .sort();
}

/** @template T @param {readonly T[]} all @param {number} count @param {number} seed @returns {T[]} */
export function pick(all, count, seed) {
  const random = randomFrom(seed);
  const rest = [...all];
  return Array.from({ length: Math.min(count, all.length) }, () => rest.splice(random(rest.length), 1)).flat();
}
