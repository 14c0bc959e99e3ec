// @ts-check
/** What is left of processes that a test or a chaos run started, wherever they stand in the tree by now. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/**
 * Ids of living processes whose command line names a text, such as a test's own directory. Where there is no /proc, none
 * are seen.
 * @param {string} text
 * @returns {number[]}
 */
export function processesNaming(text) {
  const pids = existsSync('/proc/self/cmdline') ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : [];
  return pids.filter((pid) => commandLine(pid).includes(text)).map(Number);
}

/** @param {string} pid */
function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch (error) {
    // It ended meanwhile, or belongs to somebody else.
    if (error instanceof Error && 'code' in error) return '';
    throw error;
  }
}
