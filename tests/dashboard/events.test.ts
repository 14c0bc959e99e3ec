/** The log of events in a real browser: live, by filter, from any number. */
import { describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { echoTask } from '../support/peer.js';
import { usePool } from '../support/pool.js';
import { axeViolations } from './support/axe.js';
import { useBrowser } from './support/browser.js';

describe('the events', needs('chromium'), () => {
  const pool = usePool();
  const browser = useBrowser();
  const open = (path = '/events', token = pool.coordinator.token('admin'), scheme: 'light' | 'dark' = 'light') =>
    browser.open({ url: pool.coordinator.http, token, path, scheme });

  it('come in at the top as they happen, and wait while the list is paused', async () => {
    const page = await open();
    const rows = page.getByRole('list', { name: 'Events' }).getByRole('listitem');
    await rows.first().waitFor();
    const { id } = await pool.worker({ name: 'newcomer' });
    await rows.getByText('newcomer').first().waitFor({ timeout: 2_000 });
    await page.getByRole('button', { name: 'Pause' }).click();
    const shown = await rows.count();
    const admin = await pool.admin();
    await admin.ask({ type: 'act', action: { do: 'worker.rename', worker: id, name: 'renamed' } });
    await page.getByText(/\d+ new/).waitFor();
    expect(await rows.count()).toBe(shown);
    await page.getByRole('button', { name: 'Resume' }).click();
    await rows.getByText('is now called').waitFor();
  });

  it('are filtered by group, subject and text, and the address says so', async () => {
    const { id } = await pool.worker({ name: 'one of many' });
    const page = await open('/events?group=workers');
    const list = page.getByRole('list', { name: 'Events' });
    await list.getByText('one of many').first().waitFor();
    expect(await list.getByText('signed in').count()).toBe(0);
    await page.getByText('Access', { exact: true }).last().click();
    await list
      .getByText(/signed in/)
      .first()
      .waitFor();
    expect(page.url()).toContain('group=access');
    await page.goto(`/events?subject=${id}&q=joined`);
    await expect.poll(() => list.getByRole('listitem').count()).toBe(1);
    await list.getByText('joined the pool (tier 2)').waitFor();
    await page.goto('/events?q=nothing-has-this-text');
    await page.getByText('No events match').waitFor();
  });

  it('are shown from any number, on or back', async () => {
    await pool.worker();
    const page = await open();
    await page.getByLabel('From number').fill('2');
    await page.getByRole('button', { name: 'Go' }).click();
    await page.getByRole('heading', { name: 'Events after #1' }).waitFor();
    const links = page.getByRole('link', { name: /^Event \d+$/ });
    await links.first().waitFor();
    expect(await links.first().textContent()).toBe('#2');
    expect(await links.nth(1).textContent()).toBe('#3');
    await page.getByText('These are all events so far.').waitFor();
    await page.goto('/events?before=3');
    await page.getByRole('heading', { name: 'Events before #3' }).waitFor();
    await expect.poll(() => links.allTextContents()).toEqual(['#2', '#1']);
    await page.getByRole('button', { name: 'Back to live' }).click();
    await page.getByRole('heading', { name: 'Live events' }).waitFor();
  });

  it('a flood is shown in part, and says how much is left out', async () => {
    const page = await open('/events?group=tasks');
    // What comes before the first page of the past is in that page, and nothing of it is left out.
    await page
      .getByText(/No events match|No older events are stored|Load older/)
      .first()
      .waitFor();
    const { peer } = await pool.worker({ slots: 64 });
    peer.onMessage = (message) => {
      if (message.type !== 'dispatch') return false;
      return true;
    };
    const client = await pool.client();
    const tasks = Array.from({ length: 400 }, () => echoTask());
    client.send({ type: 'submit', tasks });
    await page
      .getByText(/more events?, not shown here/)
      .first()
      .waitFor();
    await page
      .getByText(/more events?, not shown here/)
      .first()
      .getByRole('link')
      .or(page.getByRole('link', { name: /not shown here/ }))
      .first()
      .click();
    await page.getByRole('heading', { name: /^Events before #/ }).waitFor();
    await page.getByRole('button', { name: 'Load older' }).click();
    await expect
      .poll(() => page.getByRole('list', { name: 'Events' }).getByRole('listitem').count())
      .toBeGreaterThan(150);
  });

  it('a client sees what is its own, and who comes and goes', async () => {
    await pool.worker({ name: 'for all' });
    const page = await open('/events', pool.coordinator.token('client'));
    const list = page.getByRole('list', { name: 'Events' });
    await list.getByText('is online').first().waitFor();
    expect(await list.getByText('signed in').count()).toBe(0);
    expect(await page.getByText('Access', { exact: true }).count()).toBe(0);
  });

  it('has nothing that axe objects to, in either theme', async () => {
    for (const scheme of ['light', 'dark'] as const) {
      const page = await open('/events', pool.coordinator.token('admin'), scheme);
      await page.getByRole('list', { name: 'Events' }).waitFor();
      expect(await axeViolations(page)).toEqual([]);
    }
  });
});
