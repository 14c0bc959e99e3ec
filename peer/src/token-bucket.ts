/** A rate as a bucket of bytes that fills by itself: what is in it may be used at once. Pure; times in monotonic ms. */

/** The bucket holds what comes in a quarter of a second: short bursts pass, a second is never exceeded by more. */
const BURST_SECONDS = 0.25;

export class TokenBucket {
  #bytesPerSecond: number;
  #tokens: number;
  #atMs: number;

  /** @param bytesPerSecond `Infinity`: no limit */
  constructor(bytesPerSecond: number, nowMs: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#tokens = this.#capacity;
    this.#atMs = nowMs;
  }

  get limited(): boolean {
    return Number.isFinite(this.#bytesPerSecond);
  }

  /** Another rate from now on. */
  setRate(bytesPerSecond: number, nowMs: number): void {
    this.available(nowMs);
    this.#bytesPerSecond = bytesPerSecond;
    this.#atMs = nowMs;
    this.#tokens = Math.min(Number.isFinite(this.#tokens) ? this.#tokens : this.#capacity, this.#capacity);
  }

  /** Bytes that may be used now; negative while more was used than there was. */
  available(nowMs: number): number {
    if (!this.limited) return Number.POSITIVE_INFINITY;
    const seconds = Math.max(0, nowMs - this.#atMs) / 1_000;
    this.#atMs = Math.max(nowMs, this.#atMs);
    this.#tokens = Math.min(this.#capacity, this.#tokens + seconds * this.#bytesPerSecond);
    return this.#tokens;
  }

  /** Uses bytes; more than are there are owed. */
  take(bytes: number, nowMs: number): void {
    if (this.available(nowMs) !== Number.POSITIVE_INFINITY) this.#tokens -= bytes;
  }

  /** How long until so many bytes are there, at most what the bucket holds. */
  waitMs(bytes: number, nowMs: number): number {
    const missing = Math.min(bytes, this.#capacity) - this.available(nowMs);
    return missing <= 0 ? 0 : Math.ceil((missing / this.#bytesPerSecond) * 1_000);
  }

  get #capacity(): number {
    // A frame must fit in, whatever the rate.
    return Math.max(16_384, this.#bytesPerSecond * BURST_SECONDS);
  }
}
