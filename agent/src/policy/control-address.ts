/**
 * Where a running agent takes orders from commands of the same machine: a Unix socket in its state directory, on Windows a
 * named pipe. Every order proves that its sender can read the state directory.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** sun_path has 104 bytes on macOS and 108 on Linux, with a 0 at the end. */
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

export type ControlReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string };
