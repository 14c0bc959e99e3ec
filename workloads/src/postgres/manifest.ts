/** `postgres.query`: statements for a PostgreSQL that the worker runs. */
import { ANY_MAP, COUNT, defineWorkload, inputOf, listOf, outputOf, STRING, textOf } from '../manifest.js';

export const MAX_SQL_CHARACTERS = 100_000;
export const MAX_PARAMETERS = 1_000;
/** Of an answer; more are cut off and `truncated` says so. */
export const MAX_ROWS = 10_000;

/** Memory: what it is set up to use, 64 MiB of shared buffers and 40 connections. PGlite holds 350 to 870 MiB. */
export const postgres = defineWorkload({
  name: 'postgres',
  host: 'server',
  slots: 8,
  memoryMiB: 1_024,
  defaultTimeoutMs: 60_000,
  keepsData: true,
  kinds: {
    'postgres.query': {
      about: 'Runs one SQL statement on a PostgreSQL that the worker keeps, and gives back its rows.',
      input: inputOf(
        {
          sql: textOf(MAX_SQL_CHARACTERS),
          params: { type: ['array', 'null'], maxItems: MAX_PARAMETERS, description: 'the values of $1, $2, ...' },
        },
        ['sql'],
      ),
      output: outputOf({ rows: listOf(ANY_MAP), count: COUNT, command: STRING }, { truncated: { const: true } }),
      examples: [{ input: { sql: 'SELECT $1::int + 1 AS next', params: [41] } }],
    },
  },
  catalog: {
    title: 'PostgreSQL',
    tier: 3,
    trust: 'trusted',
    stateful: true,
    // Other programs connect to the container; tasks go to the embedded form alone.
    kinds: [],
    replicas: { floor: 1, ceiling: 1 },
    container: {
      image: 'postgres:17',
      gpu: false,
      resources: { cores: 1, memoryMiB: 512, diskMiB: 2_000 },
      env: { POSTGRES_USER: 'rma', POSTGRES_DB: 'rma', PGDATA: '/var/lib/postgresql/data/pgdata' },
      secrets: ['POSTGRES_PASSWORD'],
      volumes: [{ name: 'data', path: '/var/lib/postgresql/data' }],
      port: 5_432,
      health: {
        command: ['pg_isready', '-q', '-h', '127.0.0.1', '-U', 'rma', '-d', 'rma'],
        intervalSeconds: 5,
        startSeconds: 120,
      },
      network: false,
    },
  },
});
