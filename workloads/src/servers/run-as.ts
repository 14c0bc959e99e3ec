/** The user that a server runs as: the agent's, but never root. */
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync } from 'node:fs';

/** For `spawn`; empty for the agent's own user. */
export interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Makes a directory for a server, mode 0700. Its owner is the agent's user or, where that is root, the first of `users`
 * that the system has.
 * @throws Error where that user cannot reach it
 */
export function makeServerDirectory(directory: string, users: readonly string[]): RunAs {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (process.getuid?.() !== 0) return {};
  for (const user of users) {
    const uid = idOf('-u', user);
    const gid = idOf('-g', user);
    if (uid === undefined || gid === undefined) continue;
    chownSync(directory, uid, gid);
    if (spawnSync('ls', [directory], { uid, gid, stdio: 'ignore' }).status === 0) return { uid, gid };
    throw new Error(
      `servers are not run as root, and user ${user} cannot reach ${directory}. Run the agent as a user of its own, or let others pass through the folders above it (chmod o+x)`,
    );
  }
  throw new Error(
    `servers are not run as root, and there is no user ${users.join(' or ')}. Run the agent as a user of its own`,
  );
}

function idOf(flag: '-u' | '-g', user: string): number | undefined {
  const { status, stdout } = spawnSync('id', [flag, user], { encoding: 'utf8' });
  const id = Number.parseInt(stdout ?? '', 10);
  return status === 0 && id > 0 ? id : undefined;
}
