/** Parses server-sent events from a byte stream. The only import of eventsource-parser. */
import { createParser } from 'eventsource-parser';

/** Bounds the memory of an event from a server that never ends a line. */
const MAX_EVENT_CHARACTERS = 8 * 1_048_576;

/**
 * The data of each event, in order; comments and keep-alives are skipped.
 * @throws Error when the stream breaks, or an event exceeds MAX_EVENT_CHARACTERS
 */
export async function* eventsOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const events: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => events.push(data) });
  const decoder = new TextDecoder();
  let pending = 0;
  for await (const part of bytes) {
    parser.feed(decoder.decode(part, { stream: true }));
    pending = events.length > 0 ? 0 : pending + part.byteLength;
    if (pending > MAX_EVENT_CHARACTERS) throw new Error('the stream holds an event of more than 8 MiB');
    yield* events.splice(0);
  }
  // Ends a last event that lacks its empty line.
  parser.feed(`${decoder.decode()}\n\n`);
  yield* events.splice(0);
}
