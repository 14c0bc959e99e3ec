/**
 * protocol/history.json: one line for every state that the wire contract was in, appended and never edited. Each line
 * carries the digest of the line before (`previous`), so that an edit of line n shows in line n + 1. Pure:
 * protocol-reference.mjs reads and writes the file, tests/protocol/history.test.ts holds it.
 */
import { createHash } from 'node:crypto';

/**
 * @typedef {{version: number, hash: string, date: string, change: string, previous?: string}} Line `date` is YYYY-MM-DD
 *   in UTC, `previous` absent in the first line alone
 */

/** @param {Line} line @returns {string} the first 16 hexadecimal digits of the SHA-256 of all that the line says */
export function digestOf({ version, hash, date, change, previous = '' }) {
  return createHash('sha256')
    .update(JSON.stringify([version, hash, date, change, previous]))
    .digest('hex')
    .slice(0, 16);
}

/**
 * @param {readonly Line[]} history
 * @param {Omit<Line, 'previous'>} line
 * @returns {Line[]} the history with one more line, which `faultsOf` may refuse
 */
export function append(history, line) {
  const last = history.at(-1);
  return [...history, last === undefined ? line : { ...line, previous: digestOf(last) }];
}

/**
 * @param {readonly Line[]} history
 * @returns {string[]} what is wrong, by the number of the line, from 1
 */
export function faultsOf(history) {
  return history.flatMap((line, i) => {
    const before = history[i - 1];
    const faults = [];
    if (line.change.trim().length <= 10) faults.push('does not say what changed');
    if (!/^\d{4}-\d{2}-\d{2}$/.test(line.date)) faults.push(`has the date '${line.date}', which is not YYYY-MM-DD`);
    const twin = history.findIndex(({ hash }) => hash === line.hash);
    if (twin < i) faults.push(`has the hash of line ${twin + 1}: the wire did not change`);
    if (line.previous !== (before === undefined ? undefined : digestOf(before))) {
      faults.push(
        'has a `previous` that is not the digest of the line before: an earlier line was edited or taken out',
      );
    }
    if (before !== undefined && line.date < before.date) faults.push(`is dated before line ${i}`);
    if (before !== undefined && line.version !== before.version && line.version !== before.version + 1) {
      faults.push(`has version ${line.version} after ${before.version}`);
    }
    return faults.map((fault) => `line ${i + 1} ${fault}`);
  });
}
