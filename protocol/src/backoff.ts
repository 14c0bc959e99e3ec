/** When to dial again: full jitter under an exponential cap of 5 s in the first minute and 30 s later, for ever. Pure. */

const FIRST_MS = 250;
const EARLY_CAP_MS = 5_000;
const LATE_CAP_MS = 30_000;
const EARLY_MS = 60_000;

/**
 * @param attempt how many dials failed in a row, from 0
 * @param offlineMs how long this side has been without a session
 * @param random from 0 (inclusive) to 1 (exclusive)
 * @returns ms to wait before the next dial
 */
export function reconnectDelayMs(attempt: number, offlineMs: number, random: number): number {
  const cap = offlineMs < EARLY_MS ? EARLY_CAP_MS : LATE_CAP_MS;
  return Math.floor(random * Math.min(cap, FIRST_MS * 2 ** Math.min(attempt, 16)));
}

/** The wait before a failed task's next attempt: exponential, at most a minute, with up to a quarter of jitter. */
export function retryDelayMs(failures: number, firstMs: number, random: number): number {
  const full = Math.min(60_000, firstMs * 2 ** Math.min(Math.max(failures - 1, 0), 16));
  return Math.floor(full * (0.75 + 0.25 * random));
}
