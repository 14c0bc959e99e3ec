/** A coordinator that is killed: the page says so, keeps what it knew, and is right again by itself. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CoordinatorProcess, startCoordinatorProcess } from '../support/coordinator-process.js';
import { freePort } from '../support/free-port.mjs';
import { needs } from '../support/needs.js';
import { Peer, workerHello } from '../support/peer.js';
import { SteadyWorker } from '../support/steady-peers.js';
import { CONNECTION_LOST, isMarked, live, mark, useBrowser } from './support/browser.js';

const workers = (page: Page, count: number) =>
  page.locator('aside nav a[href="/workers"] small').filter({ hasText: new RegExp(`^${count}$`) });

const browser = useBrowser();

describe('a coordinator that is killed', needs('chromium'), () => {
  let data: string;
  /** The page knows no other address. */
  let port: number;
  let coordinator: CoordinatorProcess;
  let first: SteadyWorker;

  beforeEach(async () => {
    data = mkdtempSync(join(tmpdir(), 'rma-recovery-'));
    port = await freePort();
    coordinator = await startCoordinatorProcess(data, { args: ['--port', String(port)] });
    first = new SteadyWorker(() => coordinator.url, coordinator.token('join'), { name: 'first' });
    await first.until(() => first.sessions === 1, 'the first session');
  });

  afterEach(async () => {
    await first.stop();
    await coordinator.stop();
    rmSync(data, { recursive: true, force: true });
  });

  it('comes back: the page says so meanwhile, and is right again without a reload', async () => {
    const page = await browser.open({ url: coordinator.http, token: coordinator.token('admin') });
    await workers(page, 1).waitFor();
    await mark(page);
    await coordinator.kill();
    await page
      .getByText(/^Reconnecting/)
      .filter({ visible: true })
      .first()
      .waitFor();
    coordinator = await startCoordinatorProcess(data, { args: ['--port', String(port)] });
    await live(page).waitFor();
    const { peer } = await Peer.worker(coordinator.url, coordinator.token('join'), workerHello());
    await workers(page, 2).waitFor();
    expect(await isMarked(page)).toBe(true);
    await peer.close();
    browser.forgive(CONNECTION_LOST);
  });

  it('stays away: the page says since when, and still shows what was', async () => {
    const page = await browser.open({ url: coordinator.http, token: coordinator.token('admin'), isTimeMovable: true });
    await workers(page, 1).waitFor();
    await coordinator.kill();
    await page
      .getByText(/^Reconnecting/)
      .filter({ visible: true })
      .first()
      .waitFor();
    await page.clock.fastForward(35_000);
    await page
      .getByText(/^Offline since \d\d:\d\d:\d\d$/)
      .filter({ visible: true })
      .first()
      .waitFor();
    await workers(page, 1).waitFor();
    browser.forgive(CONNECTION_LOST);
  });

  it('that is not there yet is waited for', async () => {
    const page = await browser.open({ url: coordinator.http, token: coordinator.token('admin') });
    await live(page).waitFor();
    await page.route('**/api/session', (route) => route.abort('connectionrefused'));
    await page.reload();
    await page.getByRole('heading', { name: 'The coordinator does not answer' }).waitFor();
    await page.getByRole('button', { name: 'Try now' }).waitFor();
    await page.unroute('**/api/session');
    await live(page).waitFor();
    browser.forgive(/ERR_CONNECTION_REFUSED/);
  });
});
