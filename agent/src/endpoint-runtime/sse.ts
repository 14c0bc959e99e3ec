/** The door to eventsource-parser: server-sent events of a byte stream, however its bytes are cut. */
import { createParser } from 'eventsource-parser';

/** One event's data can hardly be larger; a server that never ends a line is not read for ever. */
const MAX_EVENT_CHARACTERS = 8 * 1_048_576;

/**
 * The data of each event, in order; comments and keep-alives are passed over.
 * @throws Error when the stream breaks, or holds an event beyond all measure
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
  // A last event without the empty line that ends it.
  parser.feed(`${decoder.decode()}\n\n`);
  yield* events.splice(0);
}
