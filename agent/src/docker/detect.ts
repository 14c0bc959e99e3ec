/**
 * Finds this machine's container engine: the one that was named, else the first usual address at which one answers. Podman
 * counts, because its socket speaks Docker's API (`systemctl --user enable --now podman.socket`).
 */
import { existsSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { errorMessage } from '@rma/protocol/error';
import { AgentFault } from '../fault.js';
import type { EngineAddress } from './engine/connection.js';
import { Engine, type EngineInfo } from './engine/engine.js';

const PING_MS = 3_000;

export interface FoundEngine {
  readonly engine: Engine;
  readonly info: EngineInfo;
  readonly url: string;
}

/** `auto`, `none`, or a URL such as unix:///var/run/docker.sock. */
export type EngineChoice = string;

/**
 * @throws AgentFault for what is no URL of an engine, and for one of another machine
 */
export function parseEngineUrl(url: string, env: NodeJS.ProcessEnv = process.env): EngineAddress {
  const path = /^(?:unix|npipe):\/\/(.+)$/.exec(url)?.[1];
  if (path !== undefined) return { socketPath: url.startsWith('npipe') ? path.replace(/^\/+/, '//') : path };
  if (url.startsWith('/')) return { socketPath: url };
  const parsed = /^(tcp|http|https):\/\//.test(url)
    ? (URL.parse?.(url.replace(/^tcp:/, 'http:')) ?? tryUrl(url))
    : undefined;
  if (parsed === undefined) {
    throw new AgentFault(
      `'${url}' is no engine's address: give auto, none, unix:///PATH, npipe:////./pipe/NAME or tcp://127.0.0.1:PORT (--engine, DOCKER_HOST).`,
    );
  }
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!['localhost', '127.0.0.1', '::1'].includes(host)) {
    throw new AgentFault(
      `the engine at ${url} is on another machine. Run the worker there: it reaches its containers by 127.0.0.1 only (--engine, DOCKER_HOST).`,
    );
  }
  const tls = url.startsWith('https:') || (env.DOCKER_TLS_VERIFY ?? '') !== '';
  return {
    protocol: tls ? 'https' : 'http',
    host,
    port: Number(parsed.port) || (tls ? 2_376 : 2_375),
    ...(tls && env.DOCKER_CERT_PATH !== undefined ? { certPath: env.DOCKER_CERT_PATH } : {}),
  };
}

function tryUrl(url: string): URL | undefined {
  try {
    return new URL(url.replace(/^tcp:/, 'http:'));
  } catch {
    // The caller reports it.
    return undefined;
  }
}

/** Default addresses of engines, the most common first. */
export function defaultAddresses(
  env: NodeJS.ProcessEnv = process.env,
  platform: string = process.platform,
  home = os.homedir(),
): string[] {
  if (platform === 'win32') return ['npipe:////./pipe/docker_engine', 'npipe:////./pipe/podman-machine-default'];
  const runtimeDir =
    env.XDG_RUNTIME_DIR ?? (process.getuid === undefined ? undefined : `/run/user/${process.getuid()}`);
  const perUser =
    runtimeDir === undefined ? [] : [join(runtimeDir, 'docker.sock'), join(runtimeDir, 'podman', 'podman.sock')];
  const homes =
    platform === 'darwin'
      ? ['.docker/run/docker.sock', '.colima/default/docker.sock', '.orbstack/run/docker.sock'].map((path) =>
          join(home, path),
        )
      : ['.docker/desktop/docker.sock'].map((path) => join(home, path));
  return ['/var/run/docker.sock', ...perUser, '/run/podman/podman.sock', ...homes].map((path) => `unix://${path}`);
}

/**
 * Undefined where there is none, or it does not answer now; `report` gets the reason where there should be one.
 * @throws AgentFault for an address that cannot be used
 */
export async function detectEngine(
  choice: EngineChoice,
  report: (message: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<FoundEngine | undefined> {
  if (choice === 'none') return undefined;
  const named = choice === 'auto' ? env.DOCKER_HOST : choice;
  if (named !== undefined && named !== '') {
    const found = await tryEngine(named, env);
    if (typeof found !== 'string') return found;
    report(`the container engine at ${named} does not answer (${found}); containers are offered once it does`);
    return undefined;
  }
  for (const url of defaultAddresses(env)) {
    if (url.startsWith('unix://') && !existsSync(url.slice('unix://'.length))) continue;
    const found = await tryEngine(url, env);
    if (typeof found !== 'string') return found;
    if (/EACCES|permission denied/i.test(found)) {
      report(
        `the container engine at ${url} may not be used by this user (${found}): add it to the engine's group, or give --engine none`,
      );
    }
  }
  return undefined;
}

async function tryEngine(url: string, env: NodeJS.ProcessEnv): Promise<FoundEngine | string> {
  const engine = new Engine(parseEngineUrl(url, env));
  try {
    await engine.ping(PING_MS);
    return { engine, info: await engine.info(PING_MS * 3), url };
  } catch (error) {
    return errorMessage(error);
  }
}
