/** Finds server programs that this machine has. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { hasErrorCode } from '@rma/protocol/error';

/** PostgreSQL's programs of one version. */
export interface PostgresPrograms {
  readonly directory: string;
  /** `15`. */
  readonly major: string;
  /** `15.14`. */
  readonly version: string;
}

/** Debian keeps PostgreSQL's server programs out of the path, one directory a version. */
const DEBIAN = '/usr/lib/postgresql';

/** All versions, the newest first. */
export function findPostgres(env: NodeJS.ProcessEnv = process.env): PostgresPrograms[] {
  const directories = [...pathOf(env), ...versionsBelow(DEBIAN)];
  const found = new Map<string, PostgresPrograms>();
  for (const directory of directories) {
    if (!isProgram(join(directory, 'postgres')) || !isProgram(join(directory, 'initdb'))) continue;
    const version = /\b(\d+)\.\d+/.exec(versionOutput(join(directory, 'postgres')));
    const major = version?.[1];
    if (version !== null && major !== undefined && !found.has(major)) {
      found.set(major, { directory, major, version: version[0] });
    }
  }
  return [...found.values()].sort((a, b) => Number(b.major) - Number(a.major));
}

/** The Redis server of this machine; undefined where there is none. */
export function findRedis(env: NodeJS.ProcessEnv = process.env): { file: string; version: string } | undefined {
  for (const directory of pathOf(env)) {
    const file = join(directory, 'redis-server');
    if (!isProgram(file)) continue;
    const version = /v=(\d+\.\d+\.\d+)/.exec(versionOutput(file))?.[1];
    if (version !== undefined) return { file, version };
  }
  return undefined;
}

function pathOf(env: NodeJS.ProcessEnv): string[] {
  return (env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
}

function versionsBelow(folder: string): string[] {
  try {
    return readdirSync(folder).map((version) => join(folder, version, 'bin'));
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

function versionOutput(file: string): string {
  return spawnSync(file, ['--version'], { encoding: 'utf8', timeout: 10_000 }).stdout ?? '';
}
