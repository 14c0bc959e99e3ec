/**
 * `npm run lighthouse [-- --runs N] [--mobile]`: Lighthouse on the overview, signed in, against a coordinator and a worker
 * of its own, in Debian's Chromium (or RMA_TEST_CHROMIUM). Prints the median of 5 runs, and fails below 95 for
 * performance, 100 for accessibility and 95 for best practices. Lighthouse itself is fetched by npm when it is first asked
 * for: 185 MB, too much for everybody's checkout.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { phase, runMain, SetupError, say } from './progress.mjs';
import { ensureReady, root } from './setup.mjs';

const VERSION = '12.8.2';
const HOME = join(root, 'node_modules/.cache/rma/lighthouse');
/** Category: the least that the median of the runs may be. */
const LEAST = { performance: 95, accessibility: 100, 'best-practices': 95 };
const START_MS = 30_000;
const FLAGS = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'];

await runMain(async () => {
  const { values } = parseArgs({
    options: { runs: { type: 'string', default: '5' }, mobile: { type: 'boolean', default: false } },
  });
  await ensureReady();
  if (!existsSync(join(HOME, 'node_modules/lighthouse/package.json'))) {
    await phase(`fetching Lighthouse ${VERSION}`, async () => fetchLighthouse());
  }
  const data = mkdtempSync(join(tmpdir(), 'rma-lighthouse-'));
  /** @type {import('node:child_process').ChildProcess[]} */
  const children = [];
  // Nothing is left behind by Ctrl-C.
  const stop = () => void Promise.all(children.map(ended)).then(() => process.exit(130));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    const url = await startCoordinator(data, children);
    await startWorker(url, data, children);
    const cookie = await signIn(url, readFileSync(join(data, 'admin.token'), 'utf8').trim());
    return report(await measure(url, cookie, Number(values.runs), values.mobile));
  } finally {
    await Promise.all(children.map(ended));
    rmSync(data, { recursive: true, force: true });
  }
});

function fetchLighthouse() {
  mkdirSync(HOME, { recursive: true });
  writeFileSync(join(HOME, 'package.json'), '{"private":true}');
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `lighthouse@${VERSION}`], {
    cwd: HOME,
    stdio: 'ignore',
  });
}

/** @param {string} data @param {import('node:child_process').ChildProcess[]} children @returns {Promise<string>} */
function startCoordinator(data, children) {
  const bin = join(root, 'server/bin/rma-coordinator.js');
  const child = spawn(process.execPath, [bin, '--data', data, '--port', '0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = /^listening on (\S+)$/.exec(line)?.[1];
      if (url) resolve(url);
    });
    child.once('close', () => reject(new SetupError('the coordinator ended before it served')));
  });
}

/** @param {string} url @param {string} data @param {import('node:child_process').ChildProcess[]} children */
async function startWorker(url, data, children) {
  const files = ['--token-file', join(data, 'local.token'), '--state', join(data, 'worker')];
  const args = [join(root, 'agent/bin/rma-worker.js'), '--url', url, ...files, '--name', 'local', '--only', 'echo,ner'];
  children.push(spawn(process.execPath, args, { stdio: 'ignore' }));
  const until = Date.now() + START_MS;
  for (;;) {
    const health = /** @type {{workers: {online: number}}} */ (await (await fetch(`${url}/health`)).json());
    if (health.workers.online > 0) return;
    if (Date.now() > until) throw new SetupError('the worker did not come on line');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** @param {string} url @param {string} token */
async function signIn(url, token) {
  const answer = await fetch(`${url}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify({ token }),
  });
  const cookie = answer.headers.get('set-cookie')?.split(';')[0];
  if (!cookie) throw new SetupError(`signing in was answered with ${answer.status}`);
  return cookie;
}

/**
 * @typedef {{title: string, description: string, score: number | null, displayValue?: string}} Audit
 * @typedef {{categories: Record<string, {score: number, auditRefs: {id: string, weight: number}[]}>, audits: Record<string, Audit>}} Result
 * @param {string} url @param {string} cookie @param {number} runs @param {boolean} mobile
 * @returns {Promise<Result[]>}
 */
async function measure(url, cookie, runs, mobile) {
  const from = createRequire(join(HOME, 'package.json'));
  const load = (/** @type {string} */ name) => import(pathToFileURL(from.resolve(name)).href);
  const { default: lighthouse, desktopConfig } = await load('lighthouse');
  const { launch } = await load('chrome-launcher');
  /** @type {Result[]} */
  const results = [];
  for (let run = 1; run <= runs; run++) {
    const chrome = await launch({
      chromePath: process.env.RMA_TEST_CHROMIUM ?? '/usr/bin/chromium',
      chromeFlags: FLAGS,
      logLevel: 'silent',
    });
    try {
      const options = {
        port: chrome.port,
        onlyCategories: Object.keys(LEAST),
        extraHeaders: { Cookie: cookie },
        logLevel: 'error',
      };
      const { lhr } = await lighthouse(`${url}/`, options, mobile ? undefined : desktopConfig);
      results.push(lhr);
      say(
        `run ${run} of ${runs}: ${Object.keys(LEAST)
          .map((name) => `${name} ${scoreOf(lhr, name)}`)
          .join(', ')}`,
      );
    } finally {
      await chrome.kill();
    }
  }
  return results;
}

/** @param {Result[]} results @returns {number} the process's exit code */
function report(results) {
  let isGood = true;
  for (const [name, least] of Object.entries(LEAST)) {
    const scores = results.map((result) => scoreOf(result, name)).sort((a, b) => a - b);
    const median = scores[Math.floor(scores.length / 2)] ?? 0;
    isGood &&= median >= least;
    process.stdout.write(
      `${name}: ${median} (${scores.join(', ')}), at least ${least}${median < least ? ': MISSED' : ''}\n`,
    );
  }
  const last = results.at(-1);
  for (const metric of [
    'first-contentful-paint',
    'largest-contentful-paint',
    'total-blocking-time',
    'cumulative-layout-shift',
    'speed-index',
  ]) {
    const audit = last?.audits[metric];
    if (audit) process.stdout.write(`  ${audit.title}: ${audit.displayValue}\n`);
  }
  for (const { title, score, displayValue } of Object.values(last?.audits ?? {})) {
    if (score !== null && score < 0.9)
      process.stdout.write(`  could be better: ${title}${displayValue ? ` (${displayValue})` : ''}\n`);
  }
  return isGood ? 0 : 1;
}

/** @param {Result} result @param {string} name */
function scoreOf(result, name) {
  return Math.round((result.categories[name]?.score ?? 0) * 100);
}

/** @param {import('node:child_process').ChildProcess} child */
function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  child.kill('SIGTERM');
  return new Promise((resolve) => {
    child.once('close', resolve);
  });
}
