/** The frame of every page: navigation by pointer and keys, themes, screen sizes, access by role. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { newTaskId } from '../support/peer.js';
import { usePool } from '../support/pool.js';
import { type PageOptions, useBrowser } from './support/browser.js';

const HOSTILE = ['<img src=x onerror=alert(1)>', '"] > * { } \\', 'שלום עולם', '🦊'.repeat(32)];

describe('the shell', needs('chromium'), () => {
  const pool = usePool();
  const browser = useBrowser();

  async function open(options: Partial<PageOptions> = {}): Promise<Page> {
    const { http, token } = pool.coordinator;
    const page = await browser.open({ url: http, token: token('admin'), ...options });
    await page.getByText('Live', { exact: true }).filter({ visible: true }).waitFor();
    return page;
  }

  it('says that it is live, counts the workers, and marks where we are', async () => {
    const page = await open();
    await pool.worker({ name: 'one' });
    await page.locator('aside nav a[href="/workers"] small').filter({ hasText: '1' }).waitFor();
    expect(await page.locator('aside nav a[aria-current="page"]').innerText()).toContain('Overview');
  });

  it('goes where the keys say, lists them, and leaves who types alone', async () => {
    const page = await open();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).getByText('search on this page').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await page.keyboard.press('g');
    await page.keyboard.press('e');
    await page.waitForURL('**/events');
    await page.goto('/');
    await page.getByText('Live', { exact: true }).filter({ visible: true }).waitFor();
    await page.evaluate(() => {
      const search = document.createElement('input');
      search.type = 'search';
      document.querySelector('main')?.prepend(search);
    });
    await page.keyboard.press('/');
    await page.keyboard.type('g w ? /');
    expect(await page.evaluate(() => (document.activeElement as HTMLInputElement).value)).toBe('g w ? /');
    expect(new URL(page.url()).pathname).toBe('/');
  });

  it('lets the keyboard skip the navigation', async () => {
    const page = await open();
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('content');
  });

  it('finds a page, a worker and a task in the palette, and gives the focus back', async () => {
    const page = await open();
    const { id } = await pool.worker({ name: 'attic-rig' });
    const search = page.getByRole('button', { name: 'Search or run' });
    await search.click();
    const input = page.getByRole('combobox', { name: 'Search or run' });
    await input.fill('catal');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/workloads');
    await page.keyboard.press('Control+k');
    await input.fill('attic');
    await page.getByRole('option', { name: 'attic-rig' }).waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/workers/${id}`);
    await page.keyboard.press('Control+k');
    const task = newTaskId();
    await input.fill(` ${task.toUpperCase()} `);
    await page.getByRole('option', { name: task }).waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/tasks/${task}`);
    await page.goto('/');
    await search.click();
    await input.waitFor();
    await page.keyboard.press('Escape');
    await input.waitFor({ state: 'detached' });
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('Search or run');
  });

  it('does something from the palette: another theme, signing out', async () => {
    const page = await open();
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Search or run' }).fill('dark');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Search or run' }).fill('sign out');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Sign in to the pool' }).waitFor();
  });

  it('shows hostile names in the palette as the text that they are', async () => {
    const page = await open();
    for (const name of HOSTILE) await pool.worker({ name });
    await page.keyboard.press('Control+k');
    const input = page.getByRole('combobox', { name: 'Search or run' });
    for (const name of HOSTILE) {
      await input.fill(name.slice(0, 6));
      const option = page.getByRole('option').filter({ hasText: name });
      await option.waitFor();
      expect(await option.locator('img').count()).toBe(0);
    }
    await page.keyboard.press('Enter');
    await page.waitForURL('**/workers/**');
  });

  it('remembers the theme, and has it before anything is painted', async () => {
    const page = await open();
    await page.locator('aside').getByText('Dark', { exact: true }).click();
    await page.context().addInitScript(() => {
      addEventListener('DOMContentLoaded', () => {
        const { dataset } = document.documentElement;
        sessionStorage.setItem('first', `${dataset.theme} ${getComputedStyle(document.body).backgroundColor}`);
      });
    });
    await page.reload();
    expect(await page.evaluate(() => sessionStorage.getItem('first'))).toBe('dark rgb(11, 13, 18)');
    const other = await page.context().newPage();
    await other.goto('/');
    await other.locator('aside').getByText('Light', { exact: true }).click();
    await expect.poll(() => page.evaluate(() => document.documentElement.dataset.theme)).toBe('light');
  });

  it('follows the system where nothing was chosen', async () => {
    const page = await open({ scheme: 'light' });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(await ground()).toBe('rgb(247, 248, 250)');
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await ground()).toBe('rgb(11, 13, 18)');
  });

  it('has a drawer on a small screen, which closes on navigation', async () => {
    const page = await open({ width: 390, height: 844 });
    expect(await page.getByRole('navigation', { name: 'Pages' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Menu', exact: true }).click();
    const drawer = page.getByRole('dialog', { name: 'Menu' });
    await drawer.getByRole('link', { name: 'Events' }).click();
    await page.waitForURL('**/events');
    await drawer.waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Menu', exact: true }).click();
    await drawer.getByRole('button', { name: 'Close the menu' }).click();
    await drawer.waitFor({ state: 'hidden' });
  });

  it.each([390, 1440, 2560])('never scrolls sideways at %i px', async (width) => {
    const page = await open({ width });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  });

  it('keeps the pages of admins from a client, also from one who knows the address', async () => {
    const page = await open({ token: pool.coordinator.token('client') });
    const names = await page.getByRole('navigation', { name: 'Pages' }).getByRole('link').allInnerTexts();
    expect(names.join()).not.toMatch(/Access|Workloads|Add a machine/);
    await page.goto('/access');
    await page.getByText('This page is for admins').waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Search or run' }).fill('access');
    await page.getByText('Nothing found.').waitFor();
  });

  it.each(['/nothing-here', '/workers/w-1/nothing', '/%3Cimg%20src=x%20onerror=alert(1)%3E'])(
    'stands around %s, too, says that there is no such page, and leads on',
    async (path) => {
      const page = await open({ path });
      await page.getByRole('heading', { name: 'There is no such page' }).waitFor();
      expect(await page.getByRole('main').innerText()).toContain(path);
      expect(await page.title()).toBe('There is no such page · RMA Pool');
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox', { name: 'Search or run' }).waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('link', { name: 'To the overview' }).click();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
    },
  );

  it('is not shown to who is not signed in, at no address', async () => {
    const page = await browser.open({ url: pool.coordinator.http, path: '/nothing-here' });
    await page.getByRole('heading', { name: 'Sign in to the pool' }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/nothing-here');
    browser.forgive(/401 \(Unauthorized\)/);
  });

  it('says that this machine’s clock is wrong, and goes by the coordinator’s', async () => {
    const page = await open({ clockOffsetMs: -3 * 3_600_000 });
    await page.getByText(/clock is\s+3 h\s+behind\s+the\s+coordinator/).waitFor();
  });
});
