/**
 * The agent's state directory: the worker's identity (`worker.json`), the key of its first join (`key`), the lock, and the
 * directories of outbox, scratch and data. Secrets have mode 0600, are replaced by rename, and are synced before use.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { errorMessage, hasErrorCode } from '@rma/protocol/error';
import { AgentFault } from '../fault.js';
import { lockState } from './state-lock.js';

/** The worker's identity in a pool, from its first join on. */
export interface Identity {
  readonly id: string;
  /** The worker's own token. */
  readonly credential: string;
  /** Which coordinator it belongs to; see `CoordinatorAddress.identity`. */
  readonly url: string;
  readonly name: string;
}

export interface StateDirLog {
  warn(fields: object, message: string): void;
}

/** The default of `--state`. */
export function defaultStateDir(env: NodeJS.ProcessEnv = process.env, platform: string = process.platform): string {
  const home = os.homedir();
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'rma-worker');
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(home, 'AppData', 'Local'), 'rma-worker');
  return join(env.XDG_STATE_HOME ?? join(home, '.local', 'state'), 'rma-worker');
}

/** The identity stored in a state directory; needs no lock. */
export function readIdentity(path: string): Identity | undefined {
  const text = readIfExists(join(path, 'worker.json'));
  return text === undefined ? undefined : parseIdentity(text);
}

export class StateDir {
  readonly path: string;
  /** For temporary files of handler processes; `new` empties it, since a killed agent leaves its own. */
  readonly scratch: string;
  /** For the data of workloads; made by the first that stores something. */
  readonly data: string;
  /** Random; makes the first join idempotent. */
  readonly key: string;
  #identity: Identity | undefined;
  readonly #unlock: () => void;

  /**
   * Opens and locks a state directory, and makes what is missing.
   * @throws AgentFault when it cannot be used, or another agent holds the lock
   */
  constructor(path: string, log: StateDirLog) {
    this.path = path;
    this.scratch = join(path, 'scratch');
    this.data = join(path, 'data');
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      this.#unlock = lockState(path);
    } catch (error) {
      throw asFault(error, `cannot use the state directory ${path}`);
    }
    try {
      // Retries, because processes of a killed agent may still be ending.
      rmSync(this.scratch, { recursive: true, force: true, maxRetries: 5 });
      this.key = this.#readKey() ?? this.#makeKey();
      this.#identity = this.#readIdentity(log);
    } catch (error) {
      this.#unlock();
      throw asFault(error, `cannot use the state directory ${path}`);
    }
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** @throws AgentFault when it cannot be written: a credential that is not on disk must not be used */
  saveIdentity(identity: Identity): void {
    try {
      writeSecret(this.path, 'worker.json', `${JSON.stringify(identity, null, 2)}\n`);
    } catch (error) {
      throw asFault(error, `cannot store this worker's credential in ${this.path}`);
    }
    this.#identity = identity;
  }

  /** Moves the identity aside, so that another pool can be joined from here. */
  retireIdentity(): string | undefined {
    if (this.#identity === undefined) return undefined;
    const aside = join(this.path, `worker.${this.#identity.id}.json`);
    renameSync(join(this.path, 'worker.json'), aside);
    this.#identity = undefined;
    return aside;
  }

  /** Deletes the identity, so that the next start joins anew. `all`: everything but `worker.yaml` is deleted. */
  forget(all: boolean): void {
    const mine = ['worker.json', 'key', 'pause.json', 'outbox', 'scratch'];
    const kept = ['lock', 'worker.yaml', 'control.sock'];
    const names = all ? readdirSync(this.path).filter((name) => !kept.includes(name)) : mine;
    for (const name of names) rmSync(join(this.path, name), { recursive: true, force: true });
    this.#identity = undefined;
  }

  /** Releases the lock. */
  release(): void {
    this.#unlock();
  }

  #readKey(): string | undefined {
    const key = readIfExists(join(this.path, 'key'))?.trim();
    return key !== undefined && /^[A-Za-z0-9_-]{16,64}$/.test(key) ? key : undefined;
  }

  #makeKey(): string {
    const key = randomBytes(24).toString('base64url');
    writeSecret(this.path, 'key', `${key}\n`);
    return key;
  }

  #readIdentity(log: StateDirLog): Identity | undefined {
    const file = join(this.path, 'worker.json');
    const text = readIfExists(file);
    if (text === undefined) return undefined;
    const identity = parseIdentity(text);
    if (identity !== undefined) return identity;
    const aside = `${file}.damaged-${Date.now()}`;
    renameSync(file, aside);
    log.warn(
      { file: aside },
      `${file} was damaged; it was moved to ${aside}. Joining again needs a join token (--token).`,
    );
    return undefined;
  }
}

function parseIdentity(text: string): Identity | undefined {
  try {
    const { id, credential, url, name } = JSON.parse(text) as Partial<Record<keyof Identity, unknown>>;
    const complete = [id, credential, url, name].every((field) => typeof field === 'string' && field !== '');
    return complete
      ? { id: String(id), credential: String(credential), url: String(url), name: String(name) }
      : undefined;
  } catch {
    // Not JSON: damaged.
    return undefined;
  }
}

/** Replaces a file by rename; file and directory are synced when this returns. */
function writeSecret(directory: string, name: string, text: string): void {
  const path = join(directory, name);
  const fresh = `${path}.new`;
  const fd = openSync(fresh, 'w', 0o600);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(fresh, path);
  if (process.platform === 'win32') return;
  const folder = openSync(directory, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function readIfExists(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function asFault(error: unknown, what: string): AgentFault {
  if (error instanceof AgentFault) return error;
  const why = errorMessage(error);
  return new AgentFault(
    `${what}: ${why}. Check its owner, its permissions and the free space, or give another --state DIR.`,
  );
}
