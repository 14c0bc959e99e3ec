/** Backoff without jitter (the other side is this machine), and a wait that ends early when aborted. */

const FIRST_MS = 1_000;
const LONGEST_MS = 5 * 60_000;

/** min(longest, 1 s * 2^(tries - 1)); longest is 5 min by default. */
export function pauseMs(tries: number, longestMs = LONGEST_MS): number {
  return Math.min(longestMs, FIRST_MS * 2 ** Math.min(20, Math.max(0, tries - 1)));
}

/** `20 s`, `3 min`. */
export function inWords(ms: number): string {
  return ms < 90_000 ? `${Math.max(1, Math.round(ms / 1_000))} s` : `${Math.round(ms / 60_000)} min`;
}

export function wait(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
