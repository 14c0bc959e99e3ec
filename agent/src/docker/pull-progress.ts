/** Progress of a pull in bytes, summed over its layers, reported at most twice a second. Pure: the time is a parameter. */
import type { PullEvent } from './engine/engine-images.js';

const EVERY_MS = 500;

export interface PullBytes {
  readonly bytes: number;
  readonly totalBytes: number;
}

export class PullProgress {
  readonly #layers = new Map<string, { current: number; total: number }>();
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #reported = '';

  /** Takes an event of the engine; answers the bytes when a report is due. */
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
    if (nowMs - this.#reportedAtMs < EVERY_MS) return undefined;
    const sum = this.sum();
    const text = JSON.stringify(sum);
    if (text === this.#reported) return undefined;
    this.#reportedAtMs = nowMs;
    this.#reported = text;
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
