/** Waiting for what will hold soon, without a guess how soon. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Long enough for a machine with much else to do: a test that passes never waits it out. */
const PATIENCE_MS = 15_000;

/** Tries until it holds; the last failure after `timeoutMs`. */
export async function eventually<T>(attempt: () => T | Promise<T>, timeoutMs = PATIENCE_MS): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > until) throw error;
      await sleep(10);
    }
  }
}
