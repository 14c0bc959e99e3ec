/** `pause.json` in the state directory: whether the donor paused the machine, and until when. It outlives the agent. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrorCode } from '@rma/protocol/error';
import type { Pause } from './availability.js';

const FILE = 'pause.json';

/** `undefined`: not paused. Fails safe: a file that cannot be read or parsed counts as a pause without end. */
export function readPause(stateDir: string): Pause | undefined {
  let text: string;
  try {
    text = readFileSync(join(stateDir, FILE), 'utf8');
  } catch (error) {
    return hasErrorCode(error, 'ENOENT') ? undefined : { untilMs: undefined };
  }
  try {
    const { untilMs } = JSON.parse(text) as { untilMs?: unknown };
    return { untilMs: typeof untilMs === 'number' ? untilMs : undefined };
  } catch {
    // Not JSON: damaged.
    return { untilMs: undefined };
  }
}

export function writePause(stateDir: string, pause: Pause | undefined): void {
  const path = join(stateDir, FILE);
  if (pause === undefined) {
    rmSync(path, { force: true });
    return;
  }
  const fresh = `${path}.${process.pid}.new`;
  writeFileSync(fresh, `${JSON.stringify(pause)}\n`, { mode: 0o600 });
  renameSync(fresh, path);
}
