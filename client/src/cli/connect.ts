/** Makes a client from the options that all commands share, and turns its failures into messages with a remedy. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrorCode, ProtocolError } from '@rma/protocol/error';
import { type Client, connect } from '../client.js';
import { OfflineError } from '../client-error.js';
import type { ConnectionChange } from '../message-router.js';
import { UsageError } from '../usage-error.js';
import { printError, printStatus } from './terminal.js';

export interface GlobalOptions {
  readonly url: string;
  readonly token?: string;
  readonly insecure?: boolean;
  readonly json?: boolean;
}

/** How long a one-shot command waits for a connection. */
const OFFLINE_TIMEOUT_MS = 10_000;
/** Shorter interruptions are not reported. */
const REPORT_AFTER_MS = 1_500;

interface Token {
  readonly value: string;
  readonly source: string;
}

function findToken({ token }: GlobalOptions): Token {
  if (token !== undefined) {
    const source = token === process.env.RMA_TOKEN ? 'RMA_TOKEN' : '--token';
    if (token.trim() === '') throw new UsageError(`${source} is empty: give a client or admin token`);
    return { value: token.trim(), source };
  }
  const file = join(process.env.RMA_DATA ?? 'data', 'admin.token');
  try {
    return { value: readFileSync(file, 'utf8').trim(), source: file };
  } catch (error) {
    const why = hasErrorCode(error, 'ENOENT') ? 'does not exist' : String(error);
    throw new UsageError(
      `no token: give --token, set RMA_TOKEN, or name the coordinator's data directory in RMA_DATA (${file} ${why})`,
    );
  }
}

/** Reports a lost connection once, and its return. */
function connectionReporter(url: string): { changed(change: ConnectionChange): void; stop(): void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isReported = false;
  let reason = '';
  return {
    changed(change) {
      if (change.state === 'connected') {
        clearTimeout(timer);
        timer = undefined;
        if (isReported) printStatus(`connected to ${url} again`);
        isReported = false;
        return;
      }
      reason = change.reason;
      if (isReported || change.retryInMs === Number.POSITIVE_INFINITY) return;
      timer ??= setTimeout(() => {
        isReported = true;
        printStatus(`no connection to ${url} (${reason}); retrying`);
      }, REPORT_AFTER_MS);
    },
    stop: () => clearTimeout(timer),
  };
}

/**
 * Runs a command with a client, and closes it. The command's value is the exit status; a failure is printed and gives 1.
 * A command that must survive the coordinator's restarts sets `client.offlineTimeoutMs` to undefined.
 */
export async function withClient(options: GlobalOptions, run: (client: Client) => Promise<number>): Promise<number> {
  const token = findToken(options);
  const reporter = connectionReporter(options.url);
  const client = connectOrExplain(options, token, reporter.changed);
  try {
    return await run(client);
  } catch (error) {
    printError(explain(error, options, token));
    return 1;
  } finally {
    reporter.stop();
    await client.close();
  }
}

function connectOrExplain(
  { url, insecure }: GlobalOptions,
  token: Token,
  onConnection: (change: ConnectionChange) => void,
): Client {
  try {
    return connect({ url, token: token.value, insecure, offlineTimeoutMs: OFFLINE_TIMEOUT_MS, onConnection });
  } catch (error) {
    throw error instanceof ProtocolError ? new UsageError(error.message) : error;
  }
}

function explain(error: unknown, { url }: GlobalOptions, token: Token): string {
  if (error instanceof OfflineError) {
    return `cannot reach the coordinator at ${url}: ${error.reason}.\nIs it running? Start it with \`npm start\`, or name another with --url or RMA_URL.`;
  }
  if (!(error instanceof Error)) return String(error);
  if (error instanceof ProtocolError && error.kind === 'unauthenticated') {
    return `${error.message}\nThe token came from ${token.source}; give another with --token or RMA_TOKEN.`;
  }
  return error.message;
}
