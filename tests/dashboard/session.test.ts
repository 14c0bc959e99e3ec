/** Sessions that begin by a link, and ones that end: revoked, expired, signed out. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { Pool } from '../support/pool.js';
import { live, useBrowser } from './support/browser.js';

const browser = useBrowser();

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
