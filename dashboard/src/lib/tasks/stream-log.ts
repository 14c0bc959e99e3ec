/**
 * What a task gives while it runs, as one text: pieces of text run on, everything else is a line of JSON. Holds the last
 * part of a long one. A new attempt begins anew, since what came before is void. Pure.
 */
import { valueToJson } from '@rma/protocol/payload';

export interface Piece {
  readonly attempt: number;
  readonly chunk: number;
  readonly data: unknown;
}

const KEPT_CHARACTERS = 400_000;
/** Cut off only now and then: cutting copies the text. */
const SLACK_CHARACTERS = 100_000;
const MAX_LINE = 20_000;

export class StreamLog {
  text = '';
  /** Pieces of this attempt. */
  count = 0;
  attempt = 0;
  /** Characters that were let go of at the beginning. */
  dropped = 0;
  /** The attempt before gave something, too, which no longer counts. */
  isAnew = false;
  #endsLine = true;

  add({ attempt, data }: Piece): void {
    if (attempt > this.attempt) {
      this.isAnew = this.count > 0;
      this.attempt = attempt;
      this.text = '';
      this.count = 0;
      this.dropped = 0;
      this.#endsLine = true;
    }
    this.count += 1;
    const running = runningText(data);
    if (running === undefined) {
      this.text += `${this.#endsLine ? '' : '\n'}${lineOf(data)}\n`;
      this.#endsLine = true;
    } else if (running !== '') {
      this.text += running;
      this.#endsLine = running.endsWith('\n');
    }
    if (this.text.length > KEPT_CHARACTERS + SLACK_CHARACTERS) {
      this.dropped += this.text.length - KEPT_CHARACTERS;
      this.text = this.text.slice(-KEPT_CHARACTERS);
    }
  }
}

/** A text, a container's `{stream, text}`, a language model's `{content}`; `{role}` alone says nothing. */
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
