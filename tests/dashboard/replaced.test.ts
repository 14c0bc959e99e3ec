/** A coordinator that is replaced by one of another version: the page reloads, when that disturbs nobody. */
import type { Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../support/free-port.mjs';
import { needs } from '../support/needs.js';
import { Pool } from '../support/pool.js';
import { CONNECTION_LOST, isMarked, live, mark, useBrowser } from './support/browser.js';

const browser = useBrowser();

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
    browser.forgive(CONNECTION_LOST);
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
    browser.forgive(CONNECTION_LOST);
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
    browser.forgive(CONNECTION_LOST);
  });
});
