/** The connection to an engine: every call has a time limit, and every error is an `EngineError`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { asEngineError, EngineError } from './engine-error.js';

/** A socket, a named pipe, or a port of this machine. */
export type EngineAddress =
  | { readonly socketPath: string }
  | { readonly protocol: 'http' | 'https'; readonly host: string; readonly port: number; readonly certPath?: string };

/** Time limit of a plain call; pulls, waits and logs have none. */
export const CALL_MS = 30_000;

export class Connection {
  readonly docker: Docker;

  constructor(address: EngineAddress) {
    this.docker = new Docker(dockerOptions(address));
  }

  /** @throws EngineError, also when nothing answers within the time */
  async call<T>(work: () => Promise<T>, timeoutMs = CALL_MS): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new EngineError(`the container engine did not answer within ${timeoutMs / 1_000} s`, 0, true));
      }, timeoutMs);
    });
    try {
      return await Promise.race([work(), late]);
    } catch (error) {
      throw asEngineError(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Like `call`; undefined where the object does not exist (404) or is in the requested state already (304, 409). */
  async maybe<T>(work: () => Promise<T>, timeoutMs = CALL_MS): Promise<T | undefined> {
    try {
      return await this.call(work, timeoutMs);
    } catch (error) {
      const nothing =
        error instanceof EngineError && (error.status === 404 || error.status === 304 || isNotRunning(error));
      if (nothing) return undefined;
      throw error;
    }
  }

  /** For calls that answer with a stream: no time limit. */
  async open<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asEngineError(error);
    }
  }
}

function isNotRunning(error: EngineError): boolean {
  return error.status === 409 && /is not running|removal of container .* is already in progress/i.test(error.message);
}

function dockerOptions(address: EngineAddress): Docker.DockerOptions {
  if ('socketPath' in address) return { socketPath: address.socketPath };
  const { protocol, host, port, certPath } = address;
  const tls =
    certPath === undefined
      ? {}
      : {
          ca: readFileSync(join(certPath, 'ca.pem')),
          cert: readFileSync(join(certPath, 'cert.pem')),
          key: readFileSync(join(certPath, 'key.pem')),
        };
  return { protocol, host, port, ...tls };
}

/** The filter of an engine's lists: objects with all of these labels. */
export function labelFilter(labels: Readonly<Record<string, string>>): string[] {
  return Object.entries(labels).map(([name, value]) => `${name}=${value}`);
}
