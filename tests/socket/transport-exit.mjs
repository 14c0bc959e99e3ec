// Serves a socket and a request with the transport named on the command line, closes it, and must then come to its end.
import { once } from 'node:events';
import { chooseTransport } from '@rma/server/socket/choose-transport';
import WebSocket from 'ws';

const { factory } = chooseTransport(process.argv[2]);
const transport = factory(
  { maxFrameBytes: 1000, maxBufferedBytes: 1000, maxBodyBytes: 1000, trustProxy: false },
  {
    upgrade: () => ({ accept: true, protocol: '' }),
    open: (socket) => socket.send('hello'),
    message: () => undefined,
    drain: () => undefined,
    close: () => undefined,
    request: () => ({ status: 200, body: 'ok' }),
    error: (error) => {
      throw error;
    },
  },
);
const { port } = await transport.listen('127.0.0.1', 0);
const client = new WebSocket(`ws://127.0.0.1:${port}/ws`);
await once(client, 'message');
await (await fetch(`http://127.0.0.1:${port}/`)).text();
const closed = once(client, 'close');
await transport.close();
await closed;
process.disconnect?.();
