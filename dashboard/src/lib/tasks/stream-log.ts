/**
 * The streamed output of a task as one text: chunks of text are joined, any other chunk is a line of JSON. Bounded to
 * the last part. A new attempt discards the chunks of the one before. Pure.
 */
import { valueToJson } from '@rma/protocol/payload';

export interface Chunk {
  readonly attempt: number;
  readonly chunk: number;
  readonly data: unknown;
}

const KEPT_CHARACTERS = 400_000;
/** Cut only when exceeded by this much, since cutting copies the text. */
const SLACK_CHARACTERS = 100_000;
const MAX_LINE = 20_000;

export class StreamLog {
  text = '';
  /** Chunks of this attempt. */
  count = 0;
  attempt = 0;
  /** Characters dropped from the beginning. */
  dropped = 0;
  /** An earlier attempt had output, which was discarded. */
  isRestarted = false;
  #endsLine = true;

  add({ attempt, data }: Chunk): void {
    if (attempt > this.attempt) {
      this.isRestarted = this.count > 0;
      this.attempt = attempt;
      this.text = '';
      this.count = 0;
      this.dropped = 0;
      this.#endsLine = true;
    }
    this.count += 1;
    const text = runningText(data);
    if (text === undefined) {
      this.text += `${this.#endsLine ? '' : '\n'}${lineOf(data)}\n`;
      this.#endsLine = true;
    } else if (text !== '') {
      this.text += text;
      this.#endsLine = text.endsWith('\n');
    }
    if (this.text.length > KEPT_CHARACTERS + SLACK_CHARACTERS) {
      this.dropped += this.text.length - KEPT_CHARACTERS;
      this.text = this.text.slice(-KEPT_CHARACTERS);
    }
  }
}

/**
 * The text of a chunk: a string, a container's `{stream, text}`, a language model's `{content}`; empty for `{role}`
 * alone.
 */
function runningText(data: unknown): string | undefined {
  if (typeof data === 'string') return data;
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return undefined;
  const { text, content, reasoning_content: thought, role, stream } = data as Readonly<Record<string, unknown>>;
  if (typeof text === 'string' && (stream !== undefined || Object.keys(data).length === 1)) return text;
  if (typeof content === 'string') return content;
  if (typeof thought === 'string') return thought;
  return typeof role === 'string' && Object.keys(data).length === 1 ? '' : undefined;
}

function lineOf(data: unknown): string {
  if (data instanceof Uint8Array) return `(${data.length} bytes)`;
  const line = JSON.stringify(valueToJson(data) ?? null);
  return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line;
}
