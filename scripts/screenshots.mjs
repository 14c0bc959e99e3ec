/**
 * `npm run screenshots [-- --only NAME,NAME] [--warm SECONDS] [--port N]`: every page of the dashboard over a simulated
 * pool, light and dark, at 1440 and 390 px, into docs/screenshots/PAGE-THEME-WIDTH.png.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { phase, runMain, say } from './progress.mjs';
import { slimPng } from './screenshots/png.mjs';
import { startPool } from './screenshots/pool.mjs';
import { ensureReady, root } from './setup.mjs';

/** Time until the charts show something. */
const WARM_SECONDS = 90;
/** Time for charts and tables to fill after the page has loaded. */
const SETTLE_MS = 2_500;
const SCREENS = [
  { width: 1440, height: 900 },
  { width: 390, height: 844 },
];

await runMain(async () => {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      warm: { type: 'string', default: String(WARM_SECONDS) },
      port: { type: 'string', default: '0' },
    },
  });
  await ensureReady();
  const out = join(root, 'docs/screenshots');
  mkdirSync(out, { recursive: true });
  const data = mkdtempSync(join(tmpdir(), 'pool-'));
  const pool = await startPool(root, data, Number(values.port));
  const browser = await chromium.launch({
    executablePath: process.env.RMA_TEST_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
  });
  // Ctrl-C must leave no process behind.
  const stop = () => void Promise.allSettled([browser.close(), pool.stop()]).then(() => process.exit(130));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    await phase(`letting the pool work for ${values.warm} s`, () => sleep(Number(values.warm) * 1_000));
    const wanted = values.only?.split(',');
    const pages = Object.entries(pagesOf(pool.paths)).filter(([name]) => wanted === undefined || wanted.includes(name));
    let bytes = 0;
    for (const theme of /** @type {const} */ (['light', 'dark'])) {
      for (const screen of SCREENS) {
        bytes += await phase(`${theme}, ${screen.width} px`, () => shoot(browser, pool, pages, theme, screen, out));
      }
    }
    say(`${pages.length} pages, ${(bytes / 1_000_000).toFixed(1)} MB in docs/screenshots`);
    return 0;
  } finally {
    await browser.close();
    await pool.stop();
    rmSync(data, { recursive: true, force: true });
  }
});

/** @param {Record<string, string>} paths @returns {Record<string, string>} */
function pagesOf({ worker = '', task = '', join: lend = '' }) {
  return {
    overview: '/',
    workers: '/workers',
    worker,
    tasks: '/tasks',
    task,
    try: '/try',
    workloads: '/workloads',
    add: '/add',
    access: '/access',
    events: '/events',
    join: lend,
    'sign-in': '/?',
  };
}

/**
 * @param {import('playwright-core').Browser} browser
 * @param {import('./screenshots/pool.mjs').ShownPool} pool
 * @param {[string, string][]} pages
 * @param {'light' | 'dark'} theme
 * @param {{width: number, height: number}} viewport
 * @param {string} out
 * @returns {Promise<number>} bytes written
 */
async function shoot(browser, pool, pages, theme, viewport, out) {
  const open = () => browser.newContext({ viewport, colorScheme: theme, baseURL: pool.url, reducedMotion: 'reduce' });
  const [admin, nobody] = [await open(), await open()];
  await admin.request.post('/api/session', { data: { token: pool.admin }, headers: { origin: pool.url } });
  let bytes = 0;
  for (const [name, path] of pages) {
    const page = await (['join', 'sign-in'].includes(name) ? nobody : admin).newPage();
    await page.goto(path);
    await page.getByRole('heading', { level: 1 }).first().waitFor();
    await sleep(SETTLE_MS);
    const png = slimPng(await page.screenshot());
    writeFileSync(join(out, `${name}-${theme}-${viewport.width}.png`), png);
    bytes += png.length;
    await page.close();
  }
  await admin.close();
  await nobody.close();
  return bytes;
}
