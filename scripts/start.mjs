/**
 * `npm start`: sets up what is missing, then runs a coordinator and one trusted worker on this machine until
 * Ctrl-C, and says where to go from there.
 */
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { painter, readable } from './log-lines.mjs';
import { runMain, SetupError } from './progress.mjs';
import { ensureReady, root } from './setup.mjs';
import { supervise } from './supervise.mjs';

const HELP = `Usage: npm start -- [options]

Sets up and builds what is missing, then runs a coordinator and one trusted worker.

  --port N       port of the coordinator, 0 picks a free one (default 8080)
  --data DIR     data directory: database, tokens, the worker's state (default ./data)
  --no-worker    run the coordinator only
  --help         show this

Every other option goes to the coordinator, for example --host 0.0.0.0 or --transport ws:
node server/bin/rma-coordinator.js --help lists them. Ctrl-C stops both, a second one at once.
On Windows: node scripts/start.mjs [options]`;

/** Ctrl-C under npm arrives twice, from the terminal and from npm; only a later one means "at once". */
/** The coordinator's second line, where it has a dashboard. */
const SIGN_IN_LINE = /^dashboard, signs in once within 10 minutes: (\S+)$/;
const SECOND_PRESS_MS = 1_000;
const JOIN_PATIENCE_MS = 15_000;

/** Under npm, which may be killed without a word to its script, the pool goes when npm goes. */
const underNpm = process.env.npm_lifecycle_event === 'start';
const parent = process.ppid;
const PARENT_CHECK_MS = 500;

await runMain(async () => {
  const options = parse(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  await ensureReady();
  const workloads = options.worker ? await firstWorkloads() : [];

  const out = painter(process.stdout);
  /** @type {Record<import('./supervise.mjs').Source, string>} */
  const prefix = {
    coordinator: out('cyan', 'coordinator │ '),
    worker: out('magenta', 'worker      │ '),
    start: out('yellow', 'start       │ '),
  };
  const { data } = options;
  /** @type {string | undefined} */
  let signInLink;
  const pool = supervise({
    coordinator: [join(root, 'server/bin/rma-coordinator.js'), '--data', data, ...options.forwarded],
    worker: options.worker ? (url) => workerCommand(url, data, workloads) : undefined,
    onLine: (source, line) => {
      const link = source === 'coordinator' && signInLink === undefined ? SIGN_IN_LINE.exec(line)?.[1] : undefined;
      if (link !== undefined) signInLink = link;
      else process.stdout.write(`${prefix[source]}${readable(line)}\n`);
    },
    onListening: (url) => void welcome(url, options, out, () => signInLink),
  });

  let firstPressAt = 0;
  const onSignal = () => {
    if (firstPressAt === 0) {
      firstPressAt = Date.now();
      process.stdout.write(`${prefix.start}stopping; Ctrl-C again stops at once\n`);
      pool.stop();
    } else if (Date.now() - firstPressAt > SECOND_PRESS_MS) pool.kill();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', onSignal);
  const orphaned = underNpm ? setInterval(() => process.ppid !== parent && pool.stop(), PARENT_CHECK_MS) : undefined;
  orphaned?.unref();
  return pool.done;
});

/**
 * @typedef {{help: boolean, worker: boolean, data: string, port: string | undefined, forwarded: string[]}} Options
 * @param {string[]} args
 * @returns {Options}
 */
function parse(args) {
  const { tokens } = parseArgs({
    args,
    strict: false,
    tokens: true,
    options: { port: { type: 'string' }, data: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  /** @type {Options} */
  const options = { help: false, worker: true, data: '', port: undefined, forwarded: [] };
  for (const token of tokens) {
    if (token.kind === 'option' && token.name === 'help') options.help = true;
    else if (token.kind === 'option' && token.name === 'no-worker') options.worker = false;
    else if (token.kind === 'option' && token.name === 'data') options.data = required(token);
    else if (token.kind === 'option' && token.name === 'port') {
      options.port = required(token);
      options.forwarded.push('--port', options.port);
    } else if (token.kind === 'option')
      options.forwarded.push(token.inlineValue ? `${token.rawName}=${token.value}` : token.rawName);
    else if (token.kind === 'positional') options.forwarded.push(token.value);
  }
  options.data = resolve(options.data || process.env.RMA_DATA || 'data');
  return options;
}

/** @param {{rawName: string, value?: string | undefined}} token */
function required({ rawName, value }) {
  if (value === undefined || value === '')
    throw new SetupError(`${rawName} needs a value. npm start -- --help shows all options.`);
  return value;
}

/**
 * No data services: a first try should not pull images.
 * @returns {Promise<string[]>} the names of the workloads that the first worker runs
 */
async function firstWorkloads() {
  // Here rather than at the top: this file is loaded before anything is built.
  const { MANIFESTS } = await import('@rma/workloads/manifests');
  return MANIFESTS.filter(({ host }) => host !== 'server').map(({ name }) => name);
}

/** @param {string} url @param {string} data @param {readonly string[]} workloads */
function workerCommand(url, data, workloads) {
  const bin = join(root, 'agent/bin/rma-worker.js');
  const files = ['--token-file', join(data, 'local.token'), '--state', join(data, 'worker')];
  return [bin, '--url', url, ...files, '--name', 'local', '--only', workloads.join()];
}

/**
 * Prints where to go next, once the worker is on line or is taking its time.
 * @param {string} url
 * @param {Options} options
 * @param {ReturnType<typeof painter>} paint
 * @param {() => string | undefined} signInLink
 */
async function welcome(url, options, paint, signInLink) {
  const joined = options.worker && (await workerJoined(url));
  const data = relative(process.cwd(), options.data) || '.';
  const where = data === 'data' ? '' : `RMA_DATA=${data} `;
  const which = url.endsWith(':8080') ? '' : ` --url ${url}`;
  const worker = joined
    ? 'one, on this machine'
    : options.worker
      ? 'still starting: see its lines above'
      : 'none (--no-worker)';
  const lines = [
    paint('bold', 'RMA Pool is up.'),
    `  dashboard    ${paint('cyan', signInLink() ?? `${url}/`)}`,
    '               (the link signs you in; it counts once, within 10 minutes)',
    `  worker       ${worker}`,
    `  tokens       ${join(data, 'admin.token')}, client.token, join.token (readable by you alone)`,
    '  try it       in a second terminal:',
    paint('cyan', `    ${where}npx rma submit ocr.read --file docs/samples/letter.png --wait${which}`),
    paint('cyan', `    ${where}npx rma workers${which}`),
    '  stop         Ctrl-C',
  ];
  process.stdout.write(`\n${lines.join('\n')}\n\n`);
}

/** @param {string} url @returns {Promise<boolean>} whether a worker came on line in good time */
async function workerJoined(url) {
  const until = Date.now() + JOIN_PATIENCE_MS;
  while (Date.now() < until) {
    if ((await workersOnline(url)) > 0) return true;
    await sleep(200, undefined, { ref: false });
  }
  return false;
}

/** @param {string} url @returns {Promise<number>} 0 also while the coordinator does not answer */
async function workersOnline(url) {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) });
    const health = /** @type {{workers?: {online?: number}}} */ (await response.json());
    return health.workers?.online ?? 0;
  } catch {
    // Starting, stopping or busy: the next poll decides.
    return 0;
  }
}
