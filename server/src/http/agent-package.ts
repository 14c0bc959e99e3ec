/**
 * Serves the agent that matches this coordinator as an npm tarball, for `npx https://HOST/agent.tgz`. npx caches by URL:
 * hence also a URL with version and content hash, named in Content-Location.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { hasErrorCode, ProtocolError } from '@rma/protocol/error';
import type { HttpRequest, HttpResponse } from '../socket/transport.js';

/** Where the build puts it. */
export const AGENT_PACKAGE = fileURLToPath(new URL('../agent.tgz', import.meta.url));
/** The systemd unit that runs it; contains nothing specific to this pool. */
const AGENT_UNIT = new URL('../rma-worker.service', import.meta.url);

interface Package {
  readonly modifiedMs: number;
  readonly bytes: Uint8Array;
  readonly etag: string;
  readonly path: string;
}

export class AgentPackage {
  readonly #file: string;
  readonly #version: string;
  #loaded: Package | undefined;

  constructor(file: string, version: string) {
    this.#file = file;
    this.#version = version;
  }

  /**
   * Answers `/agent.tgz` and `/agent-VERSION-HASH.tgz`.
   * @throws ProtocolError of kind `not_found` for another version's address, and where the build left no package
   */
  async answer(request: HttpRequest): Promise<HttpResponse> {
    const found = await this.#load();
    const isVersioned = request.path === found.path;
    if (!isVersioned && request.path !== '/agent.tgz') {
      throw new ProtocolError('not_found', `the agent of this coordinator is at ${found.path}, or at /agent.tgz`);
    }
    const headers = {
      etag: found.etag,
      'content-location': found.path,
      'cache-control': isVersioned ? 'public, max-age=31536000, immutable' : 'no-cache',
      'x-content-type-options': 'nosniff',
    };
    if (matches(request.headers.get('if-none-match'), found.etag)) return { status: 304, headers };
    return { status: 200, headers: { ...headers, 'content-type': 'application/gzip' }, body: found.bytes };
  }

  /** A build replaces the file while the coordinator runs. */
  async #load(): Promise<Package> {
    try {
      const { mtimeMs } = await stat(this.#file);
      if (this.#loaded?.modifiedMs === mtimeMs) return this.#loaded;
      const bytes = new Uint8Array(await readFile(this.#file));
      const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
      const version = this.#version.replace(/[^\w.]/g, '');
      this.#loaded = { modifiedMs: mtimeMs, bytes, etag: `"${hash}"`, path: `/agent-${version}-${hash}.tgz` };
      return this.#loaded;
    } catch (error) {
      const missing = hasErrorCode(error, 'ENOENT');
      if (!missing) throw error;
      throw new ProtocolError(
        'not_found',
        'this coordinator was started without the agent package; make it with `npm run build`',
      );
    }
  }
}

/** `/rma-worker.service`, for `rma join-command --systemd`. */
export async function agentUnit(): Promise<HttpResponse> {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache' };
  return {
    status: 200,
    headers: { ...headers, 'x-content-type-options': 'nosniff' },
    body: await readFile(AGENT_UNIT),
  };
}

function matches(header: string | undefined, etag: string): boolean {
  return (header ?? '').split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag || tag.trim() === '*');
}
