/** Blobs that were downloaded lately, for tasks that share an input. Bounded in bytes and age. Pure. */

/** The cache; the oldest go first. */
export class BlobCache {
  readonly #entries = new Map<string, { readonly bytes: Uint8Array; readonly untilMs: number }>();
  #bytes = 0;

  constructor(
    private readonly budgetBytes: number,
    private readonly keepMs: number,
  ) {}

  get(blob: string, nowMs: number): Uint8Array | undefined {
    this.expire(nowMs);
    return this.#entries.get(blob)?.bytes;
  }

  put(blob: string, bytes: Uint8Array, nowMs: number): void {
    this.#delete(blob);
    if (bytes.length > this.budgetBytes) return;
    this.#entries.set(blob, { bytes, untilMs: nowMs + this.keepMs });
    this.#bytes += bytes.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.budgetBytes) break;
      this.#delete(oldest);
    }
  }

  expire(nowMs: number): void {
    for (const [blob, { untilMs }] of this.#entries) {
      if (untilMs > nowMs) break;
      this.#delete(blob);
    }
  }

  #delete(blob: string): void {
    this.#bytes -= this.#entries.get(blob)?.bytes.length ?? 0;
    this.#entries.delete(blob);
  }
}
