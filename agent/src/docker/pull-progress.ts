/** How far a pull is, in bytes: the sum over its layers, told at most twice a second. Pure but for the clock it is given. */
import type { PullEvent } from './engine/engine-images.js';

const EVERY_MS = 500;

export interface PullBytes {
  readonly bytes: number;
  readonly totalBytes: number;
}

export class PullProgress {
  readonly #layers = new Map<string, { current: number; total: number }>();
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #told = '';

  /** The bytes, when it is time to tell them. */
  take(event: PullEvent, nowMs: number): PullBytes | undefined {
    const { id, status, progressDetail } = event;
    if (id === undefined) return undefined;
    if (status === 'Downloading' && progressDetail?.current !== undefined) {
      const total = progressDetail.total ?? 0;
      this.#layers.set(id, { current: progressDetail.current, total: Math.max(total, progressDetail.current) });
    } else if (status === 'Download complete' || status === 'Pull complete' || status === 'Extracting') {
      const layer = this.#layers.get(id);
      if (layer) layer.current = layer.total;
    } else return undefined;
    if (nowMs - this.#toldAtMs < EVERY_MS) return undefined;
    const sum = this.sum();
    const text = JSON.stringify(sum);
    if (text === this.#told) return undefined;
    this.#toldAtMs = nowMs;
    this.#told = text;
    return sum;
  }

  sum(): PullBytes {
    let bytes = 0;
    let totalBytes = 0;
    for (const { current, total } of this.#layers.values()) {
      bytes += current;
      totalBytes += total;
    }
    return { bytes, totalBytes };
  }
}
