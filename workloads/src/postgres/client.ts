/** Connections to the worker's PostgreSQL, and `postgres.query`. The one door to the library `postgres`. */
import postgres, { type JSONValue, type ParameterOrJSON, type Sql } from 'postgres';
import { asMap, asText, describe, invalid } from '../input.js';
import { type Handler, type HandlersOf, TaskError } from '../runtime.js';
import { MAX_PARAMETERS, MAX_ROWS, MAX_SQL_CHARACTERS, type postgres as manifest } from './manifest.js';

export type PostgresClient = Sql;

/** Where a server takes connections. */
export interface PostgresAccess {
  readonly host: string;
  readonly port: number;
  /** A socket file, used instead of host and port. */
  readonly path?: string;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly connections: number;
}

/** What `postgres.query` answers. */
export interface PostgresOutput {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Rows that the statement touched or found. */
  readonly count: number;
  /** `SELECT`, `INSERT`, ... */
  readonly command: string;
  /** There were more rows than `MAX_ROWS`. */
  readonly truncated?: true;
}

const ROWS_AT_A_TIME = 500;
const CANCEL_WITHIN_MS = 1_000;

export function connectPostgres({ connections, path, ...access }: PostgresAccess): PostgresClient {
  return postgres({
    ...access,
    ...(path === undefined ? {} : { path }),
    max: connections,
    idle_timeout: 30,
    connect_timeout: 5,
    onnotice: () => undefined,
    connection: { application_name: 'rma-worker' },
    // Types are not looked up: it would be a query more, and PGlite has one connection.
    fetch_types: false,
  });
}

export function postgresHandlers(client: PostgresClient): HandlersOf<typeof manifest> {
  return { 'postgres.query': postgresQuery(client) };
}

/** `{ sql, params }`: one statement, its values as $1, $2, ... */
function postgresQuery(client: PostgresClient): Handler {
  return async (input, context): Promise<PostgresOutput> => {
    const map = asMap(input, '{ sql, params }');
    const text = asText(map.sql, 'input.sql', MAX_SQL_CHARACTERS);
    const query = client.unsafe(text, readParameters(client, map.params), { prepare: false });
    let timer: NodeJS.Timeout | undefined;
    let giveUp: (error: unknown) => void = () => undefined;
    const stuck = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    // PGlite cannot be interrupted: its next health check fails then, and it is started again.
    const stop = (): void => {
      query.cancel();
      timer = setTimeout(() => giveUp(context.signal.reason), CANCEL_WITHIN_MS);
    };
    context.signal.addEventListener('abort', stop, { once: true });
    try {
      const rows: Record<string, unknown>[] = [];
      let truncated = false;
      const cursor = query.cursor(ROWS_AT_A_TIME, (batch) => {
        for (const row of batch) {
          if (rows.length < MAX_ROWS) rows.push(plainRow(row));
          else truncated = true;
        }
        return truncated ? client.CLOSE : undefined;
      });
      const { count, command } = await Promise.race([cursor, stuck]);
      return {
        rows,
        // Null where the reading was ended early, or for a statement that counts nothing.
        count: rows.length > 0 ? rows.length : Number(count ?? 0),
        command: typeof command === 'string' ? command : '',
        ...(truncated ? { truncated: true as const } : {}),
      };
    } catch (error) {
      throw asTaskError(error);
    } finally {
      clearTimeout(timer);
      context.signal.removeEventListener('abort', stop);
    }
  };
}

function readParameters(client: PostgresClient, value: unknown): ParameterOrJSON<never>[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid('input.params', `expected a list, got ${describe(value)}`);
  if (value.length > MAX_PARAMETERS) throw invalid('input.params', `expected at most ${MAX_PARAMETERS} values`);
  return value.map((item: unknown, index) => {
    if (item === null || typeof item === 'string' || typeof item === 'boolean' || typeof item === 'number') return item;
    if (item instanceof Uint8Array) return Buffer.from(item);
    if (typeof item === 'object') return client.json(item as JSONValue);
    throw invalid(`input.params[${index}]`, `expected text, a number, true, false, null, bytes or JSON`);
  });
}

function plainRow(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainValue(value)]));
}

function plainValue(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return new Uint8Array(value);
  return typeof value === 'bigint' ? String(value) : value;
}

/** The server's own message and code. Retryable: conflicts (40), resources (53), shutdown (57P), connection (08). */
function asTaskError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof TaskError) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (error.name !== 'PostgresError' || code === undefined) return error;
  const retryable = /^(40|53|57P|08)/.test(code);
  return new TaskError('postgres.error', `PostgreSQL refused the statement: ${error.message} (${code})`, retryable);
}
