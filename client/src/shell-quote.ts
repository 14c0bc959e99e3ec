/** Words as shells take them: each function gives text that its shell reads as exactly that word. Pure. */
import { UsageError } from './usage-error.js';

/** For POSIX shells. Words that need no quotes stay readable. */
export function shWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** What PowerShell takes for a single quote, also inside single quotes; doubled, it stands for itself. */
const POWERSHELL_QUOTES = /['\u2018\u2019\u201a\u201b]/g;

/** For PowerShell itself, as a value that stays inside it. */
export function powerShellWord(word: string): string {
  return `'${word.replace(POWERSHELL_QUOTES, (quote) => quote + quote)}'`;
}

/**
 * For an argument that PowerShell hands to npx.cmd, which goes through cmd.exe: what that reads in its own way cannot be
 * quoted for all of its versions.
 * @throws UsageError for such a word
 */
export function powerShellArgument(word: string, option: string): string {
  const found = /["%^&|<>!\r\n]/.exec(word)?.[0];
  if (found !== undefined) {
    throw new UsageError(`${option}: ${JSON.stringify(found)} cannot be passed on by PowerShell; choose other words`);
  }
  return powerShellWord(word);
}

/** A line of an environment file of systemd: NAME="value". */
export function environmentLine(name: string, value: string): string {
  return `${name}="${value.replace(/["\\$`]/g, (char) => `\\${char}`)}"`;
}
