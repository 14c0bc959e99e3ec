/** Input credit, as the wire shows it: granted by `welcome`, renewed with what turns took, and the end of who exceeds it. */

import { encodeUp } from '@rma/protocol/codec';
import { CREDITED_TYPES, frameBytes } from '@rma/protocol/credit';
import { CLOSE } from '@rma/protocol/error';
import type { Up, UpOf } from '@rma/protocol/up';
import { SUBPROTOCOLS } from '@rma/protocol/version';
import type { Connection } from '@rma/server/socket/connection';
import { Incoming, type IncomingOptions } from '@rma/server/socket/incoming';
import { CREDIT_WINDOW } from '@rma/server/socket/input-credit';
import { describe, expect, it } from 'vitest';
import { echoTask, newTaskId } from '../support/peer.js';
import { usePool } from '../support/pool.js';

const pool = usePool();

describe.each(SUBPROTOCOLS)('credit over %s', (subprotocol) => {
  const greet = async (features: string[]) => {
    const peer = await pool.dial({ subprotocol });
    return { peer, welcome: await peer.hello({ token: pool.coordinator.token('client'), features }) };
  };

  it('is granted to a peer that knows it, and to no other', async () => {
    expect((await greet(['credit'])).welcome.credit).toEqual(CREDIT_WINDOW);
    expect((await greet([])).welcome.credit).toBeUndefined();
  });

  it('is renewed, as sums, by what was taken, and by what was refused; other messages do not count', async () => {
    const { peer } = await greet(['credit']);
    const sent = { messages: 0, bytes: 0 };
    const send = (message: Up) => {
      if (CREDITED_TYPES.has(message.type)) {
        sent.messages++;
        sent.bytes += frameBytes(encodeUp(message, peer.subprotocol));
      }
      peer.send(message);
    };
    for (let i = 0; i < 5; i++) send({ type: 'submit', tasks: [] as UpOf<'submit'>['tasks'] });
    for (let i = 0; i < CREDIT_WINDOW.messages / 2 - 5; i++)
      send({ type: 'unwatch', tasks: [newTaskId(), newTaskId()] });
    for (let i = 0; i < 20; i++) send({ type: 'query', ref: i + 1, query: { what: 'kinds' } });
    expect(await peer.waitFor('credit')).toEqual({
      type: 'credit',
      messages: sent.messages + CREDIT_WINDOW.messages,
      bytes: sent.bytes + CREDIT_WINDOW.bytes,
    });
  });

  it('is renewed by bytes, too: also of text that is longer in UTF-8', async () => {
    const { peer } = await greet(['credit']);
    let bytes = 0;
    for (let i = 0; i < 40; i++) {
      const tasks = [echoTask(`${'ä'.repeat(14_000)}${i}`, { constraints: { worker: 'w-nobody' } })];
      bytes += frameBytes(encodeUp({ type: 'submit', tasks }, peer.subprotocol));
      peer.send({ type: 'submit', tasks });
    }
    const credit = await peer.waitFor('credit');
    expect(credit.messages).toBeLessThanOrEqual(40 + CREDIT_WINDOW.messages);
    expect(credit.bytes - CREDIT_WINDOW.bytes).toBe((bytes / 40) * (credit.messages - CREDIT_WINDOW.messages));
  });
});

it('a message beyond what may wait ends its session with rate_limited, and does not wait', async () => {
  const pushed: unknown[] = [];
  const asked: number[] = [];
  const overrun: string[] = [];
  const options = {
    push: (input: unknown) => pushed.push(input),
    admits: (_session: number, bytes: number) => asked.push(bytes) < 2,
    overrun: (_connection: Connection, message: string) => overrun.push(message),
  };
  const incoming = new Incoming(options as unknown as IncomingOptions);
  const connection = { id: 7 } as Connection;
  const message: UpOf<'unwatch'> = { type: 'unwatch', tasks: [newTaskId()] };
  for (let i = 0; i < 2; i++) incoming.route(connection, undefined as never, message, 100);
  expect(pushed).toEqual([{ type: 'message', session: 7, message }]);
  expect(asked).toEqual([100, 100]);
  expect(overrun).toEqual([expect.stringContaining('maxQueuedBytes')]);
  expect(CLOSE.rate_limited.code).toBe(4429);
});
