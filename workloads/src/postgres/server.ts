/**
 * The machine's own PostgreSQL as a data service: a cluster of its own below the agent's state directory, on a port of
 * 127.0.0.1 that is chosen at each start, with passwords in files of mode 0600. Tasks come in as a role that owns one
 * database and is no superuser, as a superuser can run programs on the machine.
 */
import { execFile } from 'node:child_process';
import { chownSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errorMessage } from '@rma/protocol/error';
import type { DataServer, PrepareServer } from '../servers/data-server.js';
import { freePort } from '../servers/free-port.js';
import { findPostgres, type PostgresPrograms } from '../servers/programs.js';
import { makeServerDirectory, type RunAs } from '../servers/run-as.js';
import { secretIn, writeSecretFile } from '../servers/secret-file.js';
import { endStaleProcess } from '../servers/stale-process.js';
import { connectPostgres, type PostgresAccess, postgresHandlers } from './client.js';
import { pgliteExists, preparePglite } from './pglite-server.js';

const run = promisify(execFile);

const ADMIN = 'rma_admin';
/** The role, and the database that it owns. */
const POOL = 'pool';
const CONNECTIONS = 8;
const INIT_WITHIN_MS = 120_000;

/** What is settled once for a cluster. */
interface Cluster {
  readonly programs: PostgresPrograms;
  readonly home: string;
  readonly directory: string;
  readonly runAs: RunAs;
}

/**
 * The machine's own PostgreSQL, or PGlite where there is none. What was begun with one stays with it: their data
 * directories are not each other's.
 */
export function preparePostgres(dataDir: string): PrepareServer {
  return async () => {
    const home = join(dataDir, 'postgres');
    if (pgliteExists(dataDir) && !existsSync(join(home, 'cluster'))) return preparePglite(dataDir);
    const programs = findPostgres();
    const found = existsSync(join(home, 'cluster')) ? forCluster(programs, join(home, 'cluster')) : programs[0];
    if (found === undefined) return preparePglite(dataDir, 'this machine has no PostgreSQL of its own');
    let runAs: RunAs;
    try {
      runAs = makeServerDirectory(home, ['postgres', 'nobody']);
    } catch (error) {
      if (existsSync(join(home, 'cluster'))) throw error;
      return preparePglite(dataDir, errorMessage(error));
    }
    return prepare({ programs: found, home, directory: join(home, 'cluster'), runAs });
  };
}

/** A cluster belongs to a major version. */
function forCluster(programs: readonly PostgresPrograms[], directory: string): PostgresPrograms {
  const major = readFileSync(join(directory, 'PG_VERSION'), 'utf8').trim();
  const found = programs.find((candidate) => candidate.major === major);
  if (found !== undefined) return found;
  throw new Error(
    `the data in ${directory} is PostgreSQL ${major}'s, which this machine has no longer. Install postgresql-${major}, or upgrade the data with pg_upgrade`,
  );
}

async function prepare(cluster: Cluster): Promise<DataServer> {
  const { programs, home, directory, runAs } = cluster;
  await endStaleProcess(join(directory, 'postmaster.pid'), directory, 'SIGINT');
  const admin = secretIn(`${home}.admin-password`);
  if (!existsSync(directory)) await initialise(cluster, admin);
  const port = await freePort();
  const password = secretIn(`${home}.password`);
  const base = { host: '127.0.0.1', port } as const;
  const access: PostgresAccess = { ...base, user: POOL, password, database: POOL, connections: CONNECTIONS };
  writeSecretFile(`${home}.json`, `${JSON.stringify({ ...base, user: POOL, password, database: POOL })}\n`);
  const settings = {
    listen_addresses: base.host,
    port: String(port),
    unix_socket_directories: '',
    shared_buffers: '64MB',
    max_connections: '40',
    log_checkpoints: 'off',
  };
  const client = connectPostgres(access);
  let ready = false;
  return {
    label: `PostgreSQL ${programs.version}`,
    launch: {
      how: 'guarded',
      server: {
        command: join(programs.directory, 'postgres'),
        args: ['-D', directory, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
        cwd: directory,
        env: { PATH: programs.directory, LANG: 'C' },
        stopSignal: 'SIGINT',
        ...runAs,
      },
    },
    async ping() {
      if (!ready)
        await makeRole({ ...access, user: ADMIN, password: admin, database: 'postgres', connections: 1 }, password);
      ready = true;
      await client`SELECT 1`;
    },
    handlers: postgresHandlers(client),
    close: () => client.end({ timeout: 1 }),
  };
}

/** In another directory first, so that a cluster is there as a whole or not at all. */
async function initialise({ programs, home, directory, runAs }: Cluster, admin: string): Promise<void> {
  const fresh = join(home, 'cluster.new');
  const passwordFile = join(home, 'password.new');
  rmSync(fresh, { recursive: true, force: true });
  writeSecretFile(passwordFile, `${admin}\n`);
  if (runAs.uid !== undefined && runAs.gid !== undefined) chownSync(passwordFile, runAs.uid, runAs.gid);
  const args = [
    '-D',
    fresh,
    '-U',
    ADMIN,
    `--pwfile=${passwordFile}`,
    '-A',
    'scram-sha-256',
    '-E',
    'UTF8',
    '--locale=C',
  ];
  const options = { cwd: home, env: { PATH: programs.directory, LANG: 'C' }, timeout: INIT_WITHIN_MS, ...runAs };
  try {
    await run(join(programs.directory, 'initdb'), args, options);
  } catch (error) {
    const reason = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n').at(-1) : '';
    throw new Error(`initdb could not make a cluster in ${home}: ${reason || error}`);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(fresh, directory);
}

async function makeRole(access: PostgresAccess, password: string): Promise<void> {
  const admin = connectPostgres(access);
  try {
    const [role] = await admin`SELECT 1 FROM pg_roles WHERE rolname = ${POOL}`;
    // The password is of letters, digits, - and _ alone; a utility statement takes no parameters.
    const verb = role === undefined ? 'CREATE' : 'ALTER';
    await admin.unsafe(`${verb} ROLE ${POOL} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB PASSWORD '${password}'`);
    const [database] = await admin`SELECT 1 FROM pg_database WHERE datname = ${POOL}`;
    if (database === undefined) await admin.unsafe(`CREATE DATABASE ${POOL} OWNER ${POOL}`);
  } finally {
    await admin.end({ timeout: 1 });
  }
}
