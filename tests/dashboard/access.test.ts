/** Tokens and the audit log in a real browser. */
import { describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { usePool } from '../support/pool.js';
import { axeViolations } from './support/axe.js';
import { useBrowser } from './support/browser.js';
import { HOSTILE_NAMES } from './support/hostile.js';

describe('access', needs('chromium'), () => {
  const pool = usePool();
  const browser = useBrowser();
  const open = (path = '/access', token = pool.coordinator.token('admin'), scheme: 'light' | 'dark' = 'light') =>
    browser.open({ url: pool.coordinator.http, token, path, scheme });
  type Page = Awaited<ReturnType<typeof open>>;

  async function make(page: Page, name: string): Promise<string> {
    await page.getByRole('button', { name: 'Create a token' }).click();
    await page.getByLabel('Name', { exact: true }).fill(name);
    await page.getByRole('button', { name: 'Create token' }).click();
    const secret = page.getByRole('region', { name: 'the new token', exact: true });
    await secret.waitFor();
    return (await secret.textContent()) ?? '';
  }

  it('a client token that is made here signs in, works, and ends the other page kindly when it is revoked', async () => {
    const page = await open();
    const token = await make(page, 'website');
    await page
      .getByRole('row', { name: /website/ })
      .getByText('valid')
      .waitFor();
    const other = await open('/events', token);
    await other.getByText('What happens to your tasks', { exact: false }).waitFor();
    await other.getByText('Live', { exact: true }).first().waitFor();
    await page
      .getByRole('row', { name: /website/ })
      .getByText(/just now|s ago/)
      .first()
      .waitFor();

    await page.getByRole('button', { name: 'Revoke website' }).click();
    await page
      .getByText('All connections and browser sessions that use it are closed at once', { exact: false })
      .waitFor();
    await page.getByRole('button', { name: 'Revoke token' }).click();
    await page.getByText('Token website revoked').waitFor();
    await other.getByText('You were signed out: the token was revoked', { exact: false }).waitFor();
    await other.getByRole('heading', { name: 'Sign in to the pool' }).waitFor();
    await page
      .getByRole('row', { name: /website/ })
      .getByText('revoked', { exact: true })
      .waitFor();

    await page.getByText('Audit log', { exact: true }).click();
    const log = page.getByRole('list', { name: 'Audit log' });
    await log
      .getByText(/was revoked by admin/)
      .first()
      .waitFor();
    await log
      .getByText(/was created for website by admin/)
      .first()
      .waitFor();
    await log.getByText('127.0.0.1').first().waitFor();
    browser.forgive(/401 /);
  });

  it('what admins do elsewhere is in the audit log at once, in sentences', async () => {
    const { peer, id } = await pool.worker({ name: 'attic-pc' });
    const page = await open('/access?tab=audit');
    const log = page.getByRole('list', { name: 'Audit log' });
    await log.waitFor();
    const admin = await pool.admin();
    await admin.ask({ type: 'act', action: { do: 'worker.pin', worker: id, tier: 3 } });
    await log.getByText('was pinned to tier 3 by admin').waitFor({ timeout: 2_000 });
    await page.getByLabel('Search the audit log').fill('pinned');
    await expect.poll(() => log.getByRole('listitem').count()).toBe(1);
    expect(page.url()).toContain('q=pinned');
    expect(peer).toBeDefined();
  });

  it('loads the past page by page', async () => {
    for (let i = 0; i < 60; i++) await pool.mint({ role: 'join', name: `many ${i}` });
    const page = await open('/access?tab=audit');
    const rows = page.getByRole('list', { name: 'Audit log' }).getByRole('listitem');
    await rows.first().waitFor();
    const before = await rows.count();
    await page.getByRole('button', { name: 'Load older' }).click();
    await expect.poll(() => rows.count()).toBeGreaterThan(before);
  });

  it('filters by role, state and text, and the address says so', async () => {
    await pool.mint({ role: 'join', name: 'for the lab', owner: 'physics' });
    const page = await open('/access?role=join&q=physics');
    await page.getByRole('row', { name: /for the lab/ }).waitFor();
    expect(await page.getByRole('row').count()).toBe(2);
    await page.getByLabel('State').selectOption('revoked');
    await page.getByText('No tokens match').waitFor();
    expect(page.url()).toContain('state=revoked');
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.getByRole('row', { name: /admin/ }).first().waitFor();
  });

  it('warns of ending the token that one is signed in with, the last that manages the pool', async () => {
    const page = await open();
    await page.getByRole('button', { name: 'Revoke admin' }).click();
    await page.getByText('You are signed in with it: you will be signed out.').waitFor();
    await page.getByText('It is the last valid admin token.', { exact: false }).waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
  });

  it('keeps hostile names as text, and a client out', async () => {
    for (const name of HOSTILE_NAMES) await pool.mint({ role: 'client', name });
    const page = await open();
    for (const name of HOSTILE_NAMES) await page.locator('strong').getByText(name, { exact: true }).waitFor();
    expect(await page.locator('main img').count()).toBe(0);
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    const client = await open('/access', pool.coordinator.token('client'));
    await client.getByText('This page is for admins').waitFor();
  });

  it('has nothing that axe objects to, in either theme', async () => {
    for (const scheme of ['light', 'dark'] as const) {
      const page = await open('/access', pool.coordinator.token('admin'), scheme);
      await page.getByRole('table').waitFor();
      expect(await axeViolations(page)).toEqual([]);
      await page.goto('/access?tab=audit');
      await page.getByRole('list', { name: 'Audit log' }).waitFor();
      expect(await axeViolations(page)).toEqual([]);
    }
  });
});
