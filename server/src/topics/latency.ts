/**
 * A histogram of durations in logarithmic buckets, eight per octave: every quantile within 5 % of the true value
 * (2^(1/16) - 1), in a kilobyte, whatever the number of durations.
 */
const PER_OCTAVE = 8;
/** Up to 2^27 ms, a day and a half; longer durations count in the last bucket. */
const SIZE = PER_OCTAVE * 27 + 1;

export class Latency {
  readonly #counts = new Uint32Array(SIZE);
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add(ms: number): void {
    const bucket = ms <= 1 ? 0 : Math.min(SIZE - 1, Math.floor(Math.log2(ms) * PER_OCTAVE) + 1);
    this.#counts[bucket]!++;
    this.#total++;
  }

  addAll(other: Latency): void {
    for (let i = 0; i < SIZE; i++) this.#counts[i]! += other.#counts[i]!;
    this.#total += other.#total;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }

  /** The geometric middle of the bucket that holds the quantile, in ms; -1 for an empty histogram. */
  quantile(q: number): number {
    if (this.#total === 0) return -1;
    let left = Math.max(1, Math.ceil(this.#total * q));
    for (let i = 0; i < SIZE; i++) {
      left -= this.#counts[i]!;
      if (left > 0) continue;
      if (i === 0) return 1;
      return Math.round(2 ** ((i - 0.5) / PER_OCTAVE) * 10) / 10;
    }
    return -1;
  }
}
