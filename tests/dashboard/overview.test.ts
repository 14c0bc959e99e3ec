/** The overview in a real browser, with a real coordinator: current, and updated on change. */
import { type Client, connect } from '@rma/client';
import type { Page } from 'playwright-core';
import { afterEach, describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { eventually, type PoolWorker, usePool } from '../support/pool.js';
import { axeViolations } from './support/axe.js';
import { useBrowser } from './support/browser.js';

const HOSTILE = '<img src=x onerror=alert(1)> שלום 🐝';
const GPU = { index: 0, vendor: 'NVIDIA', name: 'RTX', vramMiB: 24_576 } as const;

describe('the overview', needs('chromium'), () => {
  const pool = usePool();
  const browser = useBrowser();
  const clients: Client[] = [];

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
  });

  function connected(): Client {
    const client = connect({ url: pool.coordinator.http, token: pool.coordinator.token('client') });
    clients.push(client);
    return client;
  }

  async function open(path = '/', options: { width?: number; scheme?: 'light' | 'dark' } = {}): Promise<Page> {
    const { http } = pool.coordinator;
    const page = await browser.open({ url: http, token: pool.coordinator.token('admin'), path, ...options });
    await page.getByRole('heading', { name: 'The pool', exact: true }).waitFor();
    return page;
  }

  /** A worker that answers every task at once with its input. */
  async function echoing(hello: Parameters<typeof pool.worker>[0] = {}): Promise<PoolWorker> {
    const worker = await pool.worker(hello);
    worker.peer.onMessage = (message) => {
      if (message.type !== 'dispatch') return false;
      const results = message.tasks.map(({ task, attempt, input }) => ({ task, attempt, output: input, runMs: 1 }));
      worker.peer.send({ type: 'results', results });
      return true;
    };
    // What waited for a worker came with the welcome.
    for (const message of worker.peer.inbox.splice(0)) worker.peer.onMessage(message);
    return worker;
  }

  const figure = (page: Page, name: string) => page.locator(`[data-figure="${name}"]`);
  const cells = (page: Page) => page.getByRole('listbox', { name: /^Workers by tier/ });

  it('shows a worker, and the event of its joining, within a second', async () => {
    const page = await open();
    await page.getByText('No machine is in the pool yet').waitFor();
    // Measured inside the page: the latency of the test's own connection must not count.
    const seen = page.evaluate(`new Promise((resolve) => {
      const look = () => document.querySelector('[data-figure="Workers online"]').textContent.includes('of 1');
      const observer = new MutationObserver(() => look() && resolve(Date.now()));
      observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    })`);
    await pool.worker({ name: 'attic' });
    const joinedAt = Date.now();
    expect(Number(await seen) - joinedAt).toBeLessThan(1_000);
    await page.getByText('attic joined the pool (tier').waitFor();
    await cells(page).waitFor();
  });

  it('moves its figures, charts and queue with real tasks', async () => {
    const page = await open();
    const client = connected();
    const waiting = client.submit('echo', { n: 0 });
    await waiting.accepted;
    await eventually(async () => expect(await figure(page, 'Queued').innerText()).toBe('1'));
    // What an admin should know of it, with the way there.
    const notices = page.getByRole('region', { name: 'Notices' });
    await notices.getByText(/1 task of the kind echo waits/).waitFor();
    expect(await notices.getByRole('link', { name: 'Show waiting tasks' }).getAttribute('href')).toContain('kind=echo');
    const row = page.getByRole('row', { name: /echo/ });
    expect(await row.getByRole('link').getAttribute('href')).toBe('/tasks?kind=echo');
    await row.getByText('none').waitFor();
    await echoing();
    await waiting.output();
    await Promise.all(
      client.submitMany(Array.from({ length: 40 }, () => ({ kind: 'echo', input: 1 }))).map((task) => task.output()),
    );
    await eventually(async () => expect(await figure(page, 'Queued').innerText()).toBe('0'));
    await eventually(async () => expect(await figure(page, 'Done').innerText()).not.toMatch(/^0\s/));
    await eventually(async () => expect(await figure(page, 'Latency, median').innerText()).toMatch(/ms|s/));
    const chart = page.getByRole('img', { name: /^Throughput, ten minutes/ });
    await eventually(
      async () => expect(await chart.getAttribute('aria-label')).toMatch(/succeeded: now .* at most \d/),
      8_000,
    );
    expect(await chart.locator('canvas').count()).toBe(1);
    for (const name of ['Tasks', 'Latency', 'Workers']) {
      await page.getByRole('img', { name: new RegExp(`^${name}, ten minutes`) }).waitFor();
    }
  });

  it('shares one cursor among its charts', async () => {
    await echoing();
    const client = connected();
    await client.submit('echo', 1).output();
    const page = await open();
    const chart = page.getByRole('img', { name: /^Throughput/ });
    await chart.scrollIntoViewIfNeeded();
    await eventually(async () => expect(await chart.getAttribute('aria-label')).toContain('now'), 8_000);
    await page.locator('figure .u-over').first().hover();
    await eventually(async () => expect(await page.locator('figure .when').count()).toBe(4));
    const times = await page.locator('figure .when').allInnerTexts();
    expect(new Set(times).size).toBe(1);
  });

  it('pauses the events, counts those that arrive meanwhile, and resumes', async () => {
    await echoing();
    const client = connected();
    const page = await open();
    await page.getByRole('button', { name: 'Pause' }).click();
    const first = page.getByRole('region', { name: 'Events, newest first' }).locator('li').first();
    const before = await first.innerText();
    await Promise.all(
      client.submitMany(Array.from({ length: 20 }, () => ({ kind: 'echo', input: 1 }))).map((task) => task.output()),
    );
    await page.getByText('60 new since').waitFor();
    expect(await first.innerText()).toBe(before);
    await page.getByRole('button', { name: 'Resume' }).click();
    await eventually(async () => expect(await first.innerText()).not.toBe(before));
    await page
      .getByText(/^\d+ more$/)
      .first()
      .waitFor();
  });

  it('shows the events of some groups alone, as the address says', async () => {
    const { id } = await echoing({ name: 'cellar' });
    const client = connected();
    await client.submit('echo', 1).output();
    const page = await open('/?events=workers');
    const events = page.getByRole('region', { name: 'Events, newest first' });
    await events.getByText('cellar').first().waitFor();
    expect(await events.getByText(/Task/).count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Workers', pressed: true }).count()).toBe(1);
    await page.getByRole('button', { name: 'Tasks', exact: true }).click();
    await events
      .getByText(/Task …/)
      .first()
      .waitFor();
    expect(new URL(page.url()).searchParams.get('events')).toBe('tasks,workers');
    await events.getByRole('link', { name: 'cellar' }).first().click();
    await page.waitForURL(`**/workers/${id}`);
  });

  it('opens a worker by a click on its cell, and by keys', async () => {
    const { id } = await echoing({ name: HOSTILE, ...withGpu() });
    const page = await open();
    await cells(page).focus();
    await page.keyboard.press('Home');
    const option = page.getByRole('option', { selected: true });
    // The pool of this file has workers of other tests, which are offline: tier 1 comes first.
    await eventually(async () => expect(await option.getAttribute('aria-label')).toContain(HOSTILE));
    expect(await option.getAttribute('aria-label')).toContain('tier 1, online');
    expect(await cells(page).getAttribute('aria-activedescendant')).toBe(await option.getAttribute('id'));
    await page.keyboard.press('ArrowRight');
    await eventually(async () => expect(await option.getAttribute('aria-posinset')).toBe('2'));
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/workers/${id}`);
    await page.goBack();
    await cells(page).waitFor();
    await cells(page).hover({ position: { x: 20, y: 40 } });
    await page.locator('.card').getByText(HOSTILE).waitFor();
    await cells(page).click({ position: { x: 20, y: 40 } });
    await page.waitForURL(`**/workers/${id}`);
  });

  // The other two combinations, as of all pages: accessibility.test.ts.
  it('has nothing for axe to find, wide in light and narrow in dark', async () => {
    await echoing({ name: HOSTILE });
    const client = connected();
    await client.submit('echo', 1).output();
    for (const { scheme, width } of [
      { scheme: 'light', width: 1_440 },
      { scheme: 'dark', width: 390 },
    ] as const) {
      const page = await open('/', { scheme, width });
      await page.getByRole('img', { name: /^Throughput/ }).waitFor();
      expect(await axeViolations(page)).toEqual([]);
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect(overflow).toBeLessThanOrEqual(0);
    }
  });

  it('shows at once that a worker went away', async () => {
    const { peer } = await pool.worker({ name: 'annex' });
    const page = await open('/?events=workers');
    await eventually(async () => expect(await figure(page, 'Workers online').innerText()).toMatch(/^1\s/));
    await peer.close();
    await eventually(async () => expect(await figure(page, 'Workers online').innerText()).toMatch(/^0\s/));
    const events = page.getByRole('region', { name: 'Events, newest first' });
    await events.getByText('went offline').first().waitFor();
  });
});

function withGpu() {
  return {
    hardware: {
      os: 'linux',
      arch: 'x64',
      cpu: { model: 'test', logicalCores: 16 },
      memory: { totalMiB: 65_536 },
      disk: { freeGiB: 100, totalGiB: 200 },
      gpus: [GPU],
      container: false,
      notes: [],
    },
  };
}
