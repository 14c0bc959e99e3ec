/** The relay's producer and worker: `relay-peer.mjs producer|worker PORT`. */
import { createRequire } from 'node:module';
import { Packr } from 'msgpackr';
import { runProducer } from './producer.mjs';

const WebSocket = createRequire(import.meta.resolve('@rma/client'))('ws');
const [role, port] = process.argv.slice(2);
const packr = new Packr({ useRecords: false });
const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
let corked = false;

/** One write for all that a turn sends. */
function send(message) {
  if (!corked) {
    corked = true;
    socket._socket.cork();
    setImmediate(() => {
      corked = false;
      socket._socket.uncork();
    });
  }
  socket.send(packr.pack(message));
}

socket.on('open', () => send({ type: 'hello', role }));
let onEnded = () => undefined;
socket.on('message', (data) => {
  const message = packr.unpack(data);
  if (message.type === 'dispatch') send({ type: 'result', id: message.id, output: message.input });
  else if (message.type === 'ended') onEnded(message.id);
  else if (role === 'worker') process.send({ ready: true });
  else {
    runProducer({
      submit: (id, input) => send({ type: 'submit', id, kind: 'noop', input }),
      onEnded: (listener) => {
        onEnded = listener;
      },
    });
  }
});
