/**
 * Reads what `strace -f -y -xx` wrote: the system calls of all threads, in order, each with the place where it began
 * and the place where it had returned. A call counts as done at its return only.
 */
import { readFileSync } from 'node:fs';

const TRACED = [
  ...['fsync', 'fdatasync', 'pwrite64', 'write', 'writev', 'sendto', 'sendmsg'],
  ...['read', 'readv', 'recvfrom', 'recvmsg'],
];

export interface SystemCall {
  readonly name: string;
  /** Of its file descriptor: a file's path, or `TCP:[…]` of a connection. */
  readonly target: string;
  /** Lines of the trace. */
  readonly began: number;
  readonly ended: number;
  readonly result: number;
  /** What was read or written. */
  bytes(): Buffer;
}

/** A command line to run another with. Without io_uring, which bypasses system calls. */
export function straceTo(file: string): string[] {
  const options = ['-f', '-y', '-xx', '-s', '1048576', '-e', `trace=${TRACED.join()}`, '-e', 'signal=none'];
  return ['env', 'UV_USE_IO_URING=0', 'strace', ...options, '-o', file];
}

export function readTrace(file: string): SystemCall[] {
  const calls: SystemCall[] = [];
  /** By thread: a call that another thread's output interrupted. */
  const unfinished = new Map<string, { began: number; text: string }>();
  for (const [at, line] of readFileSync(file, 'latin1').split('\n').entries()) {
    const [, thread = '', text = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>/.exec(text);
    const cut = text.indexOf(' <unfinished ...>');
    if (cut >= 0) unfinished.set(thread, { began: at, text: text.slice(0, cut) });
    else if (resumed) {
      const start = unfinished.get(thread);
      unfinished.delete(thread);
      if (start) add(calls, start.began, at, start.text + text.slice(resumed[0].length));
    } else add(calls, at, at, text);
  }
  return calls;
}

function add(calls: SystemCall[], began: number, ended: number, text: string): void {
  const [, name, path = ''] = /^(\w+)\(\d+<([^>]*)>/.exec(text) ?? [];
  const result = Number(/\) += (-?\d+)[^=]*$/.exec(text)?.[1] ?? Number.NaN);
  if (name === undefined || Number.isNaN(result)) return;
  const target = unquote(path).toString();
  calls.push({ name, target, began, ended, result, bytes: () => bytesIn(text).subarray(0, Math.max(0, result)) });
}

const unquote = (text: string): Buffer =>
  text.startsWith('\\x') ? Buffer.from(text.replaceAll('\\x', ''), 'hex') : Buffer.from(text, 'latin1');

/** All buffers of a call, one after the other: of `writev` and `sendmsg` there are several. */
function bytesIn(text: string): Buffer {
  return Buffer.concat(Array.from(text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g), ([, hex = '']) => unquote(hex)));
}
