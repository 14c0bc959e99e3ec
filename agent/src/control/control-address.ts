/**
 * The control socket between `rma-worker` commands and the running agent of a state directory: its address (a Unix socket
 * in the directory, on Windows a named pipe) and its messages. Every request carries a proof that its sender can read the
 * directory. Commands of another version may be at the other end: names of fields stay.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** `sun_path` has 104 bytes on macOS and 108 on Linux, including the terminating 0. */
const MAX_SOCKET_PATH = 100;

export function controlAddress(stateDir: string, platform: string = process.platform): string {
  const path = resolve(stateDir);
  const id = createHash('sha256').update(path).digest('hex').slice(0, 24);
  if (platform === 'win32') return `\\\\.\\pipe\\rma-worker-${id}`;
  const inside = join(path, 'control.sock');
  return Buffer.byteLength(inside) <= MAX_SOCKET_PATH ? inside : join(tmpdir(), `rma-worker-${id}.sock`);
}

/** @throws where the state directory has no key, or may not be read */
export function controlProof(stateDir: string): string {
  const key = readFileSync(join(stateDir, 'key'), 'utf8').trim();
  return createHash('sha256').update(`control ${key}`).digest('hex');
}

export type ControlRequest =
  | { readonly do: 'status'; readonly proof: string }
  | { readonly do: 'pause'; readonly proof: string; readonly untilMs?: number }
  | { readonly do: 'resume'; readonly proof: string }
  | { readonly do: 'leave'; readonly proof: string; readonly purge: boolean; readonly graceMs: number };

/** The reply to `leave`. */
export interface LeaveReply {
  readonly worker: string | undefined;
  /** Whether the coordinator confirmed it. */
  readonly told: boolean;
}

export type ControlReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string };
