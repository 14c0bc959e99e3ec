/** Catching up with the event stream: where the stored pages end and the published events begin. */
import { decodeDown } from '@rma/protocol/codec';
import { SUBPROTOCOL_JSON } from '@rma/protocol/version';
import { Connection } from '@rma/server/socket/connection';
import { EventStream } from '@rma/server/socket/event-stream';
import type { Socket } from '@rma/server/socket/transport';
import type { Reader } from '@rma/server/store/reader';
import { expect, it } from 'vitest';

it('skips what was pruned, but no event that came while a page was read', async () => {
  let last = 10;
  const event = (seq: number) => ({ seq, at: 1, type: 'task.ended' as const, subject: '', owner: '', data: null });
  // Events 1 to 10 are pruned; 11 and 12 happen while the first page is on its way.
  const pages = [() => [], () => [event(11), event(12)]];
  const reads = {
    events: async (since: number) => {
      const events = pages.shift()?.() ?? [];
      last = 12;
      return { events, last: events.at(-1)?.seq ?? since };
    },
  };
  const reader = { as: () => reads } as unknown as Reader;
  const received: number[] = [];
  const socket = {
    id: 1,
    bufferedBytes: 0,
    send(data: string) {
      const message = decodeDown(data);
      if (message.type === 'events') received.push(...message.events.map(({ seq }) => seq));
      return 'sent';
    },
    subscribe: () => undefined,
  } as unknown as Socket;
  const connection = new Connection(socket, SUBPROTOCOL_JSON, 0, 1);
  connection.role = 'admin';
  const stream = new EventStream({ reader, lastEvent: () => last, nowMs: () => 0, publish: () => undefined });
  await stream.subscribe(connection, 1, 0);
  expect(received).toEqual([11, 12]);
});
