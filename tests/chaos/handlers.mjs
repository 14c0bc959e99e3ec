/**
 * A donor's own handler with an output that shows whether it ran on the right input. Notes when it begins and ends in
 * the file `runs` beside itself: a chaos run gives each run directory its own copy.
 */
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Not asked for later: a handler that outlives its agent by a moment is another process's child. */
const agent = process.ppid;
const runs = fileURLToPath(new URL('runs', import.meta.url));

/** Appends are whole and in order. */
const note = (what, n) => appendFileSync(runs, `${what} ${agent} ${process.pid} ${n}\n`);

export default {
  async 'chaos.digest'({ n, text, delayMs, chunks = 0 }, { chunk, signal }) {
    note('begin', n);
    try {
      for (let i = 1; i <= chunks; i++) {
        await sleep(delayMs / chunks, undefined, { signal });
        chunk({ n: i });
      }
      if (chunks === 0) await sleep(delayMs, undefined, { signal });
      return { n, sha256: createHash('sha256').update(text).digest('hex') };
    } finally {
      note('end', n);
    }
  },
};
