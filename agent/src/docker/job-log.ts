/** What a job writes: told as chunks a few times a second, bounded, with its end kept for the result. */
import { StringDecoder } from 'node:string_decoder';
import type { LogPiece } from './engine/log-frames.js';

const EVERY_MS = 200;
const MAX_CHUNK_CHARACTERS = 32_768;
/** Of one job; what comes later shows in the tail only. */
const MAX_TOLD_CHARACTERS = 4 * 1_048_576;
const TAIL_CHARACTERS = 65_536;

export interface JobChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

export class JobLog {
  readonly #tell: (chunk: JobChunk) => void;
  readonly #decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  #waiting: { stream: 'stdout' | 'stderr'; text: string }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #told = 0;
  #tail = '';

  constructor(tell: (chunk: JobChunk) => void) {
    this.#tell = tell;
  }

  /** The last 64 Ki characters of both streams. */
  get tail(): string {
    return this.#tail;
  }

  take({ stream, bytes }: LogPiece): void {
    const text = this.#decoders[stream].write(bytes);
    if (text === '') return;
    this.#tail = (this.#tail + text).slice(-TAIL_CHARACTERS);
    const last = this.#waiting.at(-1);
    if (last?.stream === stream && last.text.length + text.length <= MAX_CHUNK_CHARACTERS) last.text += text;
    else if (this.#told < MAX_TOLD_CHARACTERS) this.#waiting.push({ stream, text });
    this.#timer ??= setTimeout(() => this.flush(), EVERY_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { stream, text } of waiting) {
      if (this.#told >= MAX_TOLD_CHARACTERS) return;
      this.#told += text.length;
      this.#tell({ stream, text });
      if (this.#told >= MAX_TOLD_CHARACTERS) {
        this.#tell({ stream: 'stderr', text: '\n[the log is longer than can be sent; its end is in the result]\n' });
      }
    }
  }
}
