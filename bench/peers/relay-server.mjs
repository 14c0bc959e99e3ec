/**
 * The limit: a relay on uWebSockets.js that keeps nothing. Four messages a task, each in a frame of its own, decoded and
 * encoded; what one turn forwards to a socket leaves in one write. Prints its port.
 */
import { fdatasyncSync, openSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Packr } from 'msgpackr';

const uws = createRequire(import.meta.resolve('@rma/server/socket/uws'))('uWebSockets.js');
const packr = new Packr({ useRecords: false });
const sockets = {};
const waiting = new Map();
/** With a file: every message is on disk before it is passed on, one write and one sync for all of a turn. */
const [journal] = process.argv.slice(2);
const file = journal === undefined ? undefined : openSync(journal, 'a');
let scheduled = false;

function flush() {
  scheduled = false;
  if (file !== undefined) {
    writeSync(file, Buffer.concat([...waiting.values()].flat()));
    fdatasyncSync(file);
  }
  for (const [socket, messages] of waiting) {
    socket.cork(() => {
      for (const message of messages) socket.send(message, true);
    });
  }
  waiting.clear();
}

function forward(role, message) {
  const frame = Buffer.from(packr.pack(message));
  const socket = sockets[role];
  const messages = waiting.get(socket);
  if (messages) messages.push(frame);
  else waiting.set(socket, [frame]);
  if (scheduled) return;
  scheduled = true;
  setImmediate(flush);
}

uws
  .App()
  .ws('/*', {
    maxPayloadLength: 1 << 20,
    message(socket, data) {
      const message = packr.unpack(Buffer.from(data.slice(0)));
      if (message.type === 'hello') {
        sockets[message.role] = socket;
        socket.send(packr.pack({ type: 'welcome' }), true);
      } else if (message.type === 'submit') {
        forward('worker', { type: 'dispatch', id: message.id, kind: message.kind, input: message.input });
      } else forward('producer', { type: 'ended', id: message.id, output: message.output });
    },
  })
  .listen('127.0.0.1', 0, (listening) => process.stdout.write(`${uws.us_socket_local_port(listening)}\n`));
