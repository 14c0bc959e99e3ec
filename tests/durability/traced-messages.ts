/** The protocol's messages that a traced coordinator read and sent, out of the bytes of its connections. */
import { decodeDown, decodeUp } from '@rma/protocol/codec';
import type { Down } from '@rma/protocol/down';
import { isStreamData } from '@rma/protocol/stream';
import type { Up } from '@rma/protocol/up';
import type { SystemCall } from './strace.js';

export interface TracedMessage<T> {
  readonly message: T;
  readonly socket: string;
  /** Read: where its last byte had been read. Sent: where the call began that took its first byte. */
  readonly at: number;
}

const READS = new Set(['read', 'readv', 'recvfrom', 'recvmsg']);
const WRITES = new Set(['write', 'writev', 'sendto', 'sendmsg']);
const SOCKET = /^(TCP|TCPv6|socket):\[/;

export function tracedMessages(calls: readonly SystemCall[]): {
  read: TracedMessage<Up>[];
  sent: TracedMessage<Down>[];
} {
  const read: TracedMessage<Up>[] = [];
  const sent: TracedMessage<Down>[] = [];
  const readers = new Map<string, FrameReader>();
  const writers = new Map<string, FrameReader>();
  for (const call of calls) {
    if (!SOCKET.test(call.target) || call.result <= 0) continue;
    const { target: socket } = call;
    if (READS.has(call.name)) {
      for (const { frame } of readerOf(readers, socket).take(call.bytes(), call.ended)) {
        read.push({ message: decodeUp(frame) as Up, socket, at: call.ended });
      }
    } else if (WRITES.has(call.name)) {
      for (const { frame, began } of readerOf(writers, socket).take(call.bytes(), call.began)) {
        sent.push({ message: decodeDown(frame), socket, at: began });
      }
    }
  }
  return { read, sent };
}

function readerOf(readers: Map<string, FrameReader>, socket: string): FrameReader {
  const reader = readers.get(socket) ?? new FrameReader();
  readers.set(socket, reader);
  return reader;
}

/** Frames of one direction of a WebSocket, behind the head of its upgrade. */
class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);
  #began = 0;
  #upgraded = false;

  *take(bytes: Buffer, at: number): Generator<{ frame: string | Uint8Array; began: number }> {
    if (this.#bytes.length === 0) this.#began = at;
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    if (!this.#upgraded) {
      const head = this.#bytes.indexOf('\r\n\r\n');
      if (head < 0) return;
      this.#upgraded = true;
      this.#skip(head + 4, at);
    }
    for (;;) {
      const frame = this.#frame(at);
      if (!frame) return;
      const { opcode, payload, began } = frame;
      if (opcode === 1) yield { frame: payload.toString(), began };
      else if (opcode === 2 && !isStreamData(payload)) yield { frame: payload, began };
    }
  }

  #frame(at: number): { opcode: number; payload: Buffer; began: number } | undefined {
    const bytes = this.#bytes;
    if (bytes.length < 2) return undefined;
    const short = bytes[1]! & 0x7f;
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    const masked = (bytes[1]! & 0x80) !== 0;
    const head = 2 + extended + (masked ? 4 : 0);
    if (bytes.length < head) return undefined;
    const length = extended === 2 ? bytes.readUInt16BE(2) : extended === 8 ? Number(bytes.readBigUInt64BE(2)) : short;
    if (bytes.length < head + length) return undefined;
    const payload = Buffer.from(bytes.subarray(head, head + length));
    if (masked) for (let i = 0; i < length; i++) payload[i]! ^= bytes[head - 4 + (i & 3)]!;
    const began = this.#began;
    this.#skip(head + length, at);
    return { opcode: bytes[0]! & 0x0f, payload, began };
  }

  #skip(length: number, at: number): void {
    this.#bytes = this.#bytes.subarray(length);
    this.#began = at;
  }
}
