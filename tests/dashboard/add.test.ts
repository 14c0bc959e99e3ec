/** Adding machines: real peers join with the token that the page created, and the page shows them at once. */
import { describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { usePool } from '../support/pool.js';
import { axeViolations } from './support/axe.js';
import { useBrowser } from './support/browser.js';
import { HOSTILE_NAMES } from './support/hostile.js';

describe('adding a machine', needs('chromium'), () => {
  const pool = usePool();
  const browser = useBrowser();

  const open = (path = '/add', token = pool.coordinator.token('admin'), scheme: 'light' | 'dark' = 'light') =>
    browser.open({ url: pool.coordinator.http, token, path, scheme });
  type Page = Awaited<ReturnType<typeof open>>;

  async function make(page: Page, fields: Record<string, string> = {}): Promise<string> {
    for (const [label, value] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(value);
    await page.getByRole('button', { name: 'Create the token' }).click();
    await page.getByText('Waiting for your machine').waitFor();
    const link = (await page.getByRole('region', { name: 'the join link' }).textContent()) ?? '';
    return link.slice(link.indexOf('#') + 1);
  }

  it('a machine that joins with the token appears within a second, with its tier and why', async () => {
    const page = await open();
    const token = await make(page, { Name: 'attic-pc', 'Lent by': 'Ada' });
    const worker = await pool.worker({ name: 'attic-pc' }, token);
    const joined = performance.now();
    const machine = page.getByRole('article', { name: 'Machine attic-pc' });
    await machine.waitFor({ timeout: 2_000 });
    expect(performance.now() - joined).toBeLessThan(1_000);
    await machine.getByText('Tier 2 · service').waitFor();
    await machine.getByText('tier 1: no NVIDIA GPU').waitFor();
    await page.getByText('All machines of this token have joined').waitFor();
    await machine.getByRole('link', { name: 'Open this machine' }).waitFor();
    expect(await machine.getByRole('link').getAttribute('href')).toBe(`/workers/${worker.id}`);
  });

  it('several come one after the other, whatever they are called', async () => {
    const page = await open();
    const token = await make(page, { Machines: String(HOSTILE_NAMES.length + 1) });
    for (const [i, name] of HOSTILE_NAMES.entries()) {
      await pool.worker({ name }, token);
      await page.getByText('Waiting for the next machine').waitFor();
      await page.getByText(name, { exact: true }).waitFor();
      expect(await page.getByRole('article').count()).toBe(i + 1);
    }
    expect(await page.locator('article img').count()).toBe(0);
    expect(await page.title()).toContain('Add a machine');
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
  });

  it('shows the lines of rma join-command for every way, and says that loopback is this machine alone', async () => {
    const page = await open();
    const token = await make(page, { Name: 'rig' });
    await page.getByText(`${pool.coordinator.http} is reachable from this machine only`).waitFor();
    const line = async (tab: string) => {
      await page.getByRole('tab', { name: tab, exact: true }).click();
      return page.getByRole('region', { name: 'the command' }).textContent();
    };
    expect(await line('Linux, macOS')).toMatch(
      new RegExp(`^RMA_TOKEN=${token} npx --yes http://127\\S+/agent\\S*\\.tgz --url http://127\\S+ --name rig$`),
    );
    expect(await line('Windows')).toContain(`$env:RMA_TOKEN='${token}'; npx --yes`);
    expect(await line('Linux service')).toContain('sudo systemctl enable --now rma-worker');
    expect(await line('Docker')).toMatch(/^docker run .* rma-cpu-worker --name rig$/);
    await page.getByText('NVIDIA GPU', { exact: true }).click();
    expect(await page.getByRole('region', { name: 'the command' }).textContent()).toContain(
      '--gpus all rma-gpu-worker',
    );
    browser.forgive(/503/);
  });

  it('refuses what no token can have, before it is asked for', async () => {
    const page = await open();
    await page.getByLabel('Machines', { exact: true }).fill('none');
    await page.getByRole('button', { name: 'Create the token' }).click();
    await page.getByText('Enter a number from 1 to 1,000,000.').waitFor();
    await page.getByText('Trusted', { exact: true }).click();
    await page.getByText('A token for a trusted machine admits one.').waitFor();
    await page.getByRole('button', { name: 'Create the token' }).click();
    await page.getByText('for 1 more machine', { exact: false }).waitFor();
  });

  it('shows the token once: after a reload the machines are still shown, the commands are not', async () => {
    const page = await open();
    const token = await make(page);
    await page.reload();
    await page.getByText('The commands of this token cannot be shown again').waitFor();
    expect(await page.content()).not.toContain(token);
    await pool.worker({ name: 'late' }, token);
    await page.getByRole('article', { name: 'Machine late' }).waitFor();
    await page.goto('/add?token=t-none');
    await page.getByText('there is no join token t-none').waitFor();
  });

  it('is for admins, and has nothing that axe objects to in either theme', async () => {
    const client = await open('/add', pool.coordinator.token('client'));
    await client.getByText('This page is for admins').waitFor();
    for (const scheme of ['light', 'dark'] as const) {
      const page = await open('/add', pool.coordinator.token('admin'), scheme);
      await page.getByRole('button', { name: 'Create the token' }).waitFor();
      expect(await axeViolations(page)).toEqual([]);
      const token = await make(page);
      await pool.worker({ name: 'seen' }, token);
      await page.getByRole('article').first().waitFor();
      await page.getByText('Tier 2 · service').waitFor();
      expect(await axeViolations(page)).toEqual([]);
    }
  });
});
