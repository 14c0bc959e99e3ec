/**
 * What some tests need of the machine beyond Node. Elsewhere a test whose need is missing is skipped and says
 * why; where `CI` is set it fails instead, so that nothing is ever silently left out there:
 *
 *     it('syncs before it acknowledges', needs('strace'), async () => { ... });
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPostgres } from '@rma/workloads/servers/programs';
import { sqliteProblem } from '@rma/workloads/storage/sqlite';
import { llamaLoads } from './llama.js';

/** Options for `it`, `test` and `describe`. */
export interface Need {
  readonly skip: boolean;
}

interface Probe {
  /** Whether the tool is there and does its work: strace without the right to trace, say, is of no use. */
  readonly works: () => boolean;
  readonly remedy: string;
  /** Missing by design here, in CI too. */
  readonly excused?: () => boolean;
}

const LOOK_FOR_REGISTRY =
  "fetch('http://127.0.0.1:5000/v2/').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))";

const probes = {
  strace: {
    works: () => succeeds('strace', ['-f', '-o', '/dev/null', 'true']),
    remedy: 'apt-get install strace, and the right to trace processes',
  },
  python: {
    works: () => pythonCommand() !== undefined,
    remedy: 'apt-get install python3-websockets python3-msgpack',
  },
  chromium: {
    works: () => succeeds('chromium', ['--version']),
    remedy: 'apt-get install chromium',
  },
  redis: {
    works: () => succeeds('redis-server', ['--version']),
    remedy: 'apt-get install redis-server',
  },
  llama: {
    works: llamaLoads,
    remedy:
      'npm with its registry within reach, and a build of node-llama-cpp for this system (tests/support/llama.ts)',
  },
  postgres: {
    works: () => findPostgres().length > 0,
    remedy: 'apt-get install postgresql',
  },
  sqlite: {
    works: () => sqliteProblem() === undefined,
    remedy: "Node 22 or later, or the project's setup on Node 20 (npm run build)",
  },
  docker: {
    works: () =>
      ['redis:8', 'postgres:17', 'debian:trixie-slim'].every((image) =>
        succeeds('docker', ['image', 'inspect', image]),
      ),
    remedy: 'a Docker engine, the docker command, and the images redis:8, postgres:17 and debian:trixie-slim',
  },
  registry: {
    works: () => succeeds('docker', ['info']) && succeeds(process.execPath, ['-e', LOOK_FOR_REGISTRY]),
    remedy: 'a Docker engine and a registry on 127.0.0.1:5000 (docker run -d -p 127.0.0.1:5000:5000 registry:2)',
  },
  tmpfs: {
    works: mountsTmpfs,
    remedy: 'Linux, and to run as root with the right to mount',
  },
  systemd: {
    works: () => succeeds('systemd-analyze', ['--version']),
    remedy: 'apt-get install systemd',
    excused: () => true,
  },
  nodeImage: {
    works: () => succeeds('docker', ['image', 'inspect', 'node:24-trixie-slim']),
    remedy: 'a Docker engine, and its image node:24-trixie-slim (docker pull node:24-trixie-slim)',
    excused: () => true,
  },
  npmRegistry: {
    works: () => succeeds('npm', ['view', 'ws@8.23.0', 'version']),
    remedy: 'npm, and its registry within reach',
  },
  compose: {
    works: () => succeeds('docker', ['image', 'inspect', 'node:24-trixie-slim']) && composeCommand() !== undefined,
    remedy: 'a Docker engine with node:24-trixie-slim, and docker compose or docker-compose 1.29',
    excused: () => true,
  },
  uws: {
    works: loadsUws,
    remedy: 'a C library that the prebuilt uWebSockets.js accepts: glibc 2.27 on Node 20, 2.38 on later ones',
    excused: () => process.env.RMA_TEST_TRANSPORT === 'ws',
  },
} satisfies Record<string, Probe>;

export type Tool = keyof typeof probes;

const answers = new Map<Tool, Need>();

/**
 * @returns options that skip a test where the tool is missing
 * @throws Error in CI, where it has to be there
 */
export function needs(tool: Tool): Need {
  const known = answers.get(tool);
  if (known !== undefined) return known;
  const probe: Probe = probes[tool];
  const skip = !probe.works();
  if (skip && isCi() && probe.excused?.() !== true) {
    throw new Error(`CI has to run this test, and ${tool} is missing or does not work: it needs ${probe.remedy}.`);
  }
  if (skip) process.stderr.write(`skipped: ${tool} is missing or does not work here (it needs ${probe.remedy})\n`);
  const answer = { skip };
  answers.set(tool, answer);
  return answer;
}

/** The Python that has websockets and msgpack: not always the first on the path. Undefined where there is none. */
export function pythonCommand(): string | undefined {
  return ['python3', '/usr/bin/python3'].find((command) => succeeds(command, ['-c', 'import websockets, msgpack']));
}

/** The command line of Compose: Debian's own, or Docker's plugin. Undefined where there is none. */
export function composeCommand(): readonly string[] | undefined {
  return [['docker-compose'], ['docker', 'compose']].find(([command = '', ...args]) =>
    succeeds(command, [...args, 'version']),
  );
}

function isCi(): boolean {
  return process.env.CI !== undefined && process.env.CI !== '' && process.env.CI !== 'false';
}

function succeeds(command: string, args: readonly string[], timeout = 10_000): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout }).status === 0;
}

function mountsTmpfs(): boolean {
  if (process.platform !== 'linux') return false;
  const dir = mkdtempSync(join(tmpdir(), 'rma-mount-'));
  const mounted = succeeds('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir]);
  if (mounted) succeeds('umount', [dir]);
  rmSync(dir, { recursive: true });
  return mounted;
}

/** In a child process, because a binary for another C library may take the process down. */
function loadsUws(): boolean {
  const library = createRequire(import.meta.url).resolve('uWebSockets.js');
  return succeeds(process.execPath, ['-e', `require(${JSON.stringify(library)}).App()`]);
}
