/** Signing in and out in a real browser. */
import { describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { usePool } from '../support/pool.js';
import { useBrowser } from './support/browser.js';

describe('the way in', needs('chromium'), () => {
  const pool = usePool();
  const browser = useBrowser();

  it('asks for a token, says what is wrong with another one, and shows the pool with the right one', async () => {
    const page = await browser.open({ url: pool.coordinator.http, path: '/' });
    await page.getByLabel('Token').fill('no token at all');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText(/token/i).first().waitFor();
    expect(await page.locator('.problem').textContent()).not.toBe('');
    await page.getByLabel('Token').fill(pool.coordinator.token('admin'));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.getByText('Live', { exact: true }).first().waitFor();
    browser.forgive(/401 \(Unauthorized\)|400 \(Bad Request\)/);
  });

  it('signs out, and the page asks again', async () => {
    const page = await browser.open({ url: pool.coordinator.http, token: pool.coordinator.token('admin') });
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in to the pool' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in to the pool' }).waitFor();
    browser.forgive(/401 \(Unauthorized\)/);
  });
});
