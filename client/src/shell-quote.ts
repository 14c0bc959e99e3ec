/** Shell quoting: each function returns text that its shell parses as exactly one given word. Pure. */
import { UsageError } from './usage-error.js';

/** For POSIX shells. Unquoted if nothing needs quotes. */
export function shWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Characters that PowerShell treats as a single quote, also inside single quotes; escaped by doubling. */
const POWERSHELL_QUOTES = /['\u2018\u2019\u201a\u201b]/g;

/** For a value that stays inside PowerShell. */
export function powerShellWord(word: string): string {
  return `'${word.replace(POWERSHELL_QUOTES, (quote) => quote + quote)}'`;
}

/**
 * For an argument that PowerShell hands to npx.cmd, and so to cmd.exe, whose special characters cannot be quoted for all of
 * its versions.
 * @throws UsageError for a word with one of them
 */
export function powerShellArgument(word: string, option: string): string {
  const found = /["%^&|<>!\r\n]/.exec(word)?.[0];
  if (found !== undefined) {
    throw new UsageError(`${option}: ${JSON.stringify(found)} cannot be passed on by PowerShell; choose other words`);
  }
  return powerShellWord(word);
}

/** A line of a systemd environment file: NAME="value". */
export function environmentLine(name: string, value: string): string {
  return `${name}="${value.replace(/["\\$`]/g, (char) => `\\${char}`)}"`;
}
