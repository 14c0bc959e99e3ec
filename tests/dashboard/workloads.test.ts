/** The catalogue and its placement on real peers, in a real browser. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { echoTask } from '../support/peer.js';
import { Pool } from '../support/pool.js';
import { axeViolations } from './support/axe.js';
import { useBrowser } from './support/browser.js';
import { HOSTILE_NAMES } from './support/hostile.js';

const workload = (name: string, floor: number) =>
  `  ${name}:\n    title: The ${name} workload\n    kinds: [${name}.run]\n    replicas: { floor: ${floor}, ceiling: 4 }\n    container:\n      image: example/${name}:1\n      gpu: false\n      resources: { cores: 1, memoryMiB: 64 }\n      port: 80\n      api: rma\n      network: false\n`;
const catalog = (...workloads: string[]) => `version: 1\nworkloads:\n${workloads.join('')}`;
const engine = { name: 'docker', version: '27', gpu: false, diskFreeMiB: 100_000 };

describe('the workloads', needs('chromium'), () => {
  const folder = mkdtempSync(join(tmpdir(), 'rma-workloads-page-'));
  const file = join(folder, 'catalog.yaml');
  const pool = new Pool();
  const write = (text = catalog(workload('first', 1), workload('second', 0))) => writeFileSync(file, text);

  beforeAll(async () => {
    write();
    await pool.start({ catalog: file });
  });
  afterEach(() => pool.settle());
  // Behind the pool's hooks, so that its pages are closed before the pool is settled.
  const browser = useBrowser();
  afterAll(async () => {
    await pool.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const open = (path = '/workloads', scheme: 'light' | 'dark' = 'light', width = 1440) =>
    browser.open({ url: pool.coordinator.http, token: pool.coordinator.token('admin'), path, scheme, width });
  const service = (state: 'healthy' | 'unhealthy', reason?: string) => ({
    type: 'services' as const,
    services: [
      {
        name: 'first',
        runtime: 'docker' as const,
        state,
        kinds: ['first.run'],
        slots: 2,
        workload: 'first',
        ...(reason === undefined ? {} : { reason }),
      },
    ],
  });

  it('shows unmet demand, and shows a machine that comes as it starts, runs and fails, live', async () => {
    const page = await open('/workloads?workload=first');
    await page.getByText('Demand is not met').waitFor();
    const { peer } = await pool.worker({ name: 'dock', engine, services: [] });
    const row = page.getByRole('button', { name: /The first workload/ });
    await row.getByText('1 starting').waitFor();
    peer.send(service('healthy'));
    await row.getByText('1 running').waitFor({ timeout: 4_000 });
    peer.send(service('unhealthy', 'it exits with 137'));
    await row.getByText('1 failing').waitFor({ timeout: 4_000 });
    await page
      .getByRole('list', { name: 'The first workload on machines' })
      .getByText(/it exits with 137/)
      .waitFor();
    await page.getByText('example/first:1').waitFor();
  });

  it('shows the reason of the cell under the pointer and the keyboard cursor, and finds machines', async () => {
    for (const name of HOSTILE_NAMES) await pool.worker({ name });
    const page = await open();
    const matrix = page.getByRole('region', { name: 'Matrix of machines and workloads' });
    for (const name of HOSTILE_NAMES) await matrix.getByText(name, { exact: true }).waitFor();
    expect(await page.locator('main img').count()).toBe(0);
    await matrix.getByRole('button', { name: `second on ${HOSTILE_NAMES[0]}: Cannot run`, exact: false }).hover();
    await page.locator('.reason').getByText('has no container engine').waitFor();
    await page.getByLabel('Find a machine').fill('crab');
    await expect.poll(() => matrix.getByRole('row').count()).toBe(2);
    await matrix.getByRole('button').first().focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('.reason').getByText('The second workload').waitFor();
    expect(page.url()).toContain('q=crab');
  });

  it('draws some rows of many machines, and reaches the last', async () => {
    // One after the other: so many connections at once from one address are turned away.
    for (let i = 0; i < 60; i++) await pool.worker({ name: `many ${i}` });
    const page = await open('/workloads?q=many');
    const matrix = page.getByRole('region', { name: 'Matrix of machines and workloads' });
    await matrix.getByRole('row').nth(5).waitFor();
    expect(await matrix.getByRole('row').count()).toBeLessThan(45);
    await matrix.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await expect.poll(() => matrix.locator('tbody tr[aria-rowindex="61"]').count()).toBe(1);
  });

  it('counts what waits, live', async () => {
    const page = await open();
    const row = page.getByRole('button', { name: /The second workload/ });
    await row.waitFor();
    const client = await pool.client();
    client.send({ type: 'submit', tasks: [1, 2, 3].map(() => echoTask(null, { kind: 'second.run' })) });
    await client.waitFor('accepted');
    await row.getByText('3 tasks waiting').waitFor({ timeout: 4_000 });
  });

  it('shows the errors of a newer catalogue, and that the previous one stays', async () => {
    const page = await open();
    await page.getByRole('heading', { name: 'Catalogue' }).waitFor();
    write(catalog(workload('third', 0)).replace('cores', 'coers'));
    await page.getByText('A newer catalogue has errors', { exact: false }).waitFor({ timeout: 8_000 });
    await page.getByText('workloads.third', { exact: false }).waitFor();
    write();
    await page
      .getByText('A newer catalogue has errors', { exact: false })
      .waitFor({ state: 'detached', timeout: 8_000 });
  });

  it('is readable at 390 px, is for admins, and has nothing that axe objects to in either theme', async () => {
    await pool.worker({ name: 'w'.repeat(64), engine });
    const small = await open('/workloads?workload=second', 'light', 390);
    await small.getByRole('list', { name: 'The second workload on machines' }).waitFor();
    expect(await small.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    for (const scheme of ['light', 'dark'] as const) {
      const page = await open('/workloads?workload=first', scheme);
      await page.getByRole('region', { name: 'Matrix of machines and workloads' }).waitFor();
      expect(await axeViolations(page)).toEqual([]);
    }
    const client = await browser.open({
      url: pool.coordinator.http,
      token: pool.coordinator.token('client'),
      path: '/workloads',
    });
    await client.getByText('This page is for admins').waitFor();
  });
});
