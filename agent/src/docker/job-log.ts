/** The log of a job: sent as chunks a few times a second up to a limit, with its tail kept for the result. */
import { StringDecoder } from 'node:string_decoder';
import type { LogPiece } from './engine/log-frames.js';

const EVERY_MS = 200;
const MAX_CHUNK_CHARACTERS = 32_768;
/** Per job; what is written beyond that is in the tail only. */
const MAX_SENT_CHARACTERS = 4 * 1_048_576;
const TAIL_CHARACTERS = 65_536;

export interface JobChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

export class JobLog {
  readonly #send: (chunk: JobChunk) => void;
  readonly #decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  #pending: { stream: 'stdout' | 'stderr'; text: string }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sent = 0;
  #tail = '';

  constructor(send: (chunk: JobChunk) => void) {
    this.#send = send;
  }

  /** The last 64 Ki characters of both streams. */
  get tail(): string {
    return this.#tail;
  }

  append({ stream, bytes }: LogPiece): void {
    const text = this.#decoders[stream].write(bytes);
    if (text === '') return;
    this.#tail = (this.#tail + text).slice(-TAIL_CHARACTERS);
    const last = this.#pending.at(-1);
    if (last?.stream === stream && last.text.length + text.length <= MAX_CHUNK_CHARACTERS) last.text += text;
    else if (this.#sent < MAX_SENT_CHARACTERS) this.#pending.push({ stream, text });
    this.#timer ??= setTimeout(() => this.flush(), EVERY_MS);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const pending = this.#pending;
    this.#pending = [];
    for (const { stream, text } of pending) {
      if (this.#sent >= MAX_SENT_CHARACTERS) return;
      this.#sent += text.length;
      this.#send({ stream, text });
      if (this.#sent >= MAX_SENT_CHARACTERS) {
        this.#send({ stream: 'stderr', text: '\n[the log is longer than can be sent; its end is in the result]\n' });
      }
    }
  }
}
