/** Failures: a coordinator that dies, comes back or is replaced; sessions that end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CoordinatorProcess, startCoordinatorProcess } from '../support/coordinator-process.js';
import { freePort } from '../support/free-port.mjs';
import { needs } from '../support/needs.js';
import { Peer, workerHello } from '../support/peer.js';
import { Pool } from '../support/pool.js';
import { SteadyWorker } from '../support/steady-peers.js';
import { useBrowser } from './support/browser.js';

const LOST = /WebSocket connection to|ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET/;
const live = (page: Page) => page.getByText('Live', { exact: true }).filter({ visible: true });
const workers = (page: Page, count: number) =>
  page.locator('aside nav a[href="/workers"] small').filter({ hasText: new RegExp(`^${count}$`) });

/** Lost with a reload. */
const mark = (page: Page) => page.evaluate(() => Object.assign(globalThis, { isMarked: true }));
const isMarked = (page: Page) => page.evaluate(() => 'isMarked' in globalThis);

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
    browser.forgive(LOST);
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
    browser.forgive(LOST);
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

describe('a coordinator of another version', needs('chromium'), () => {
  const pool = new Pool();
  beforeEach(async () => pool.start({ port: await freePort() }));
  afterEach(() => pool.dispose());

  async function replaced(before: (page: Page) => Promise<void>): Promise<Page> {
    const { http, token, port } = pool.coordinator;
    const page = await browser.open({ url: http, token: token('admin'), isTimeMovable: true });
    await live(page).waitFor();
    await mark(page);
    await before(page);
    await pool.restart({ version: '9.9.9', port });
    await page.getByText('The coordinator was replaced by version 9.9.9').waitFor({ timeout: 15_000 });
    return page;
  }

  it('is announced, and the page reloads once it is idle', async () => {
    const page = await replaced(async () => undefined);
    const again = page.waitForEvent('load');
    await page.clock.fastForward(10_000);
    await again;
    await page.locator('aside').getByText('version 9.9.9').waitFor();
    expect(await isMarked(page)).toBe(false);
    browser.forgive(LOST);
  });

  it('waits for an open dialog', async () => {
    const page = await replaced(async (page) => page.keyboard.press('?'));
    await page.clock.fastForward(10_000);
    await page.clock.fastForward(10_000);
    expect(await isMarked(page)).toBe(true);
    await page.keyboard.press('Escape');
    const again = page.waitForEvent('load');
    await page.clock.fastForward(10_000);
    await again;
    browser.forgive(LOST);
  });

  it('waits for what is being written', async () => {
    const page = await replaced(async (page) => {
      await page.evaluate(() => document.querySelector('main')?.append(document.createElement('textarea')));
      await page.locator('main textarea').fill('half a thought');
    });
    await page.clock.fastForward(10_000);
    await page.clock.fastForward(10_000);
    expect(await isMarked(page)).toBe(true);
    await page.getByRole('button', { name: 'Reload now' }).click();
    await page.locator('aside').getByText('version 9.9.9').waitFor();
    expect(await isMarked(page)).toBe(false);
    browser.forgive(LOST);
  });
});

describe('a session', needs('chromium'), () => {
  const pool = new Pool();
  beforeAll(() => pool.start());
  afterAll(() => pool.dispose());
  const UNAUTHORIZED = /401 \(Unauthorized\)/;

  async function signInAgain(page: Page) {
    await page.getByLabel('Token').fill(pool.coordinator.token('admin'));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await live(page).waitFor();
  }

  it('whose token is revoked ends with an explanation, and continues on the same page', async () => {
    const { token, view } = await pool.mint({ role: 'client', name: 'bob' });
    const path = '/?of=mine';
    const page = await browser.open({ url: pool.coordinator.http, token, path });
    await live(page).waitFor();
    const admin = await pool.admin();
    await admin.ask({ type: 'act', action: { do: 'token.revoke', token: view.id } });
    await page.getByText(/You were signed out: .*revoked/).waitFor();
    await signInAgain(page);
    expect(page.url()).toBe(`${pool.coordinator.http}${path}`);
    await admin.close();
    browser.forgive(UNAUTHORIZED);
  });

  it('whose token expires ends with a kind word', async () => {
    const { token } = await pool.mint({ role: 'client', name: 'soon', expiresInSeconds: 8 });
    const page = await browser.open({ url: pool.coordinator.http, token });
    await page.getByText(/You were signed out: the token has expired/).waitFor({ timeout: 20_000 });
    browser.forgive(UNAUTHORIZED);
  });

  it('whose cookie is gone differs from a first visit', async () => {
    const page = await browser.open({ url: pool.coordinator.http, token: pool.coordinator.token('admin') });
    await live(page).waitFor();
    await page.context().clearCookies();
    await page.reload();
    await page.getByText('You were signed out: the session has ended').waitFor();
    const fresh = await browser.open({ url: pool.coordinator.http });
    await fresh.getByRole('heading', { name: 'Sign in to the pool' }).waitFor();
    expect(await fresh.getByText('You were signed out').count()).toBe(0);
    browser.forgive(UNAUTHORIZED);
  });

  it('ends in every tab where one signs out, and begins in every tab where one signs in', async () => {
    const page = await browser.open({ url: pool.coordinator.http, token: pool.coordinator.token('admin') });
    const other = await page.context().newPage();
    await other.goto('/');
    await live(other).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await other.getByText('you signed out in another tab').waitFor();
    await signInAgain(page);
    await live(other).waitFor();
    browser.forgive(UNAUTHORIZED);
  });

  it('begins by a link, once, which leaves no trace in the address or the history', async () => {
    const { http } = pool.coordinator;
    const path = `/?of=mine#signin=${pool.coordinator.signInCode()}`;
    const page = await browser.open({ url: http, path });
    await live(page).waitFor();
    expect(page.url()).toBe(`${http}/?of=mine`);
    await page.reload();
    await live(page).waitFor();
    await page.goBack();
    expect(page.url()).not.toContain('signin');
    const second = await browser.open({ url: http, path });
    await second.getByText(/not signed in yet: this link was used already/).waitFor();
    expect(second.url()).toBe(`${http}/?of=mine`);
    await second.getByLabel('Token').waitFor();
    browser.forgive(UNAUTHORIZED);
  });

  it('begins by a link in a tab that was open already', async () => {
    const { http } = pool.coordinator;
    const page = await browser.open({ url: http });
    await page.getByLabel('Token').waitFor();
    await page.evaluate((code) => {
      location.hash = `signin=${code}`;
    }, pool.coordinator.signInCode()!);
    await live(page).waitFor();
    expect(page.url()).toBe(`${http}/`);
    browser.forgive(UNAUTHORIZED);
  });
});
