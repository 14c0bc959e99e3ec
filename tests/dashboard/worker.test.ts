/** A worker's own page in a real browser: what it shows, and every action with its entry in the audit log. */
import { packPayload } from '@rma/protocol/payload';
import type { AuditEntry } from '@rma/protocol/view';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { echoTask, workerHello } from '../support/peer.js';
import { eventually, usePool } from '../support/pool.js';
import { axeViolations } from './support/axe.js';
import { useBrowser } from './support/browser.js';
import { Relay } from './support/relay.js';

const GPU = {
  ...workerHello().hardware,
  cpu: { model: 'Ryzen 9', logicalCores: 16 },
  memory: { totalMiB: 65_536 },
  gpus: [{ index: 0, name: 'RTX 4090', vendor: 'NVIDIA', vramMiB: 24_564 }],
};

describe("a worker's page", needs('chromium'), () => {
  const pool = usePool();
  const browser = useBrowser();
  const relay = new Relay(() => pool.coordinator.port);
  beforeAll(() => relay.start());
  afterAll(() => relay.stop());

  async function open(
    path: string,
    options: { url?: string; token?: string; scheme?: 'light' | 'dark'; width?: number } = {},
  ): Promise<Page> {
    const { url = pool.coordinator.http, token = pool.coordinator.token('admin'), ...rest } = options;
    const page = await browser.open({ url, token, path, ...rest });
    page.setDefaultTimeout(8_000);
    return page;
  }
  async function audit(subject: string): Promise<readonly AuditEntry[]> {
    const admin = await pool.admin();
    const page = (await admin.ask({ type: 'query', query: { what: 'audit' } })) as { entries: AuditEntry[] };
    await admin.close();
    return page.entries.filter((entry) => entry.subject === subject);
  }
  const actions = async (id: string) => (await audit(id)).map(({ action }) => action);
  const button = (page: Page, name: string) => page.locator('main header').getByRole('button', { name });
  const confirm = (page: Page, name: string) => page.getByRole('dialog').getByRole('button', { name }).click();

  it('shows machine, services, terms, loads and tasks as they change', async () => {
    const { peer, id } = await pool.worker({
      name: 'studio',
      hardware: GPU,
      labels: { region: 'north' },
      policy: { paused: false, onlyWhenIdle: true, windows: [{ days: ['sat', 'sun'], from: '00:00', to: '24:00' }] },
      engine: { name: 'Docker', version: '27.3', gpu: true },
    });
    const page = await open(`/workers/${id}`);
    await page.getByRole('heading', { name: 'studio' }).waitFor();
    await page.getByText('RTX 4090', { exact: true }).waitFor();
    await page.getByText('Docker 27.3').waitFor();
    await page.getByText('Available Sat, Sun, all day.').waitFor();
    await page.getByText('Available only while nobody uses the machine.').waitFor();
    await page.getByText('region=north').waitFor();
    const [embedded] = workerHello().services;
    const postgres = { name: 'postgres', runtime: 'docker' as const, kinds: [], slots: 0, workload: 'postgres' };
    peer.send({
      type: 'services',
      services: [embedded!, { ...postgres, state: 'pulling', pull: { bytes: 52_428_800, totalBytes: 104_857_600 } }],
    });
    await page.getByText('50 MiB of 100 MiB · 50 %').waitFor();
    peer.send({
      type: 'services',
      services: [embedded!, { ...postgres, state: 'unhealthy', reason: 'port 5432 is taken' }],
    });
    await page.getByText('port 5432 is taken').waitFor();
    const gpus = [{ index: 0, load: 0.75, vramUsedMiB: 12_288, temperatureC: 66 }];
    peer.send({ type: 'sample', load: { cpu: 0.31, memoryUsedMiB: 20_480, temperatureC: 51, gpus } });
    await page.getByRole('img', { name: /^Load, .* now 31 %/ }).waitFor();
    await page.getByRole('img', { name: /^GPU memory, .* now 12 GiB/ }).waitFor();
    await page.getByRole('img', { name: /^Temperature, .* CPU: now 51 °C.* GPU 0: now 66 °C/ }).waitFor();
    const client = await pool.client();
    const task = echoTask();
    client.send({ type: 'submit', tasks: [task] });
    const { tasks } = await peer.waitFor('dispatch');
    const link = page.getByRole('link', { name: `…${task.id.slice(-8)}, echo` });
    await link.waitFor();
    expect(await link.getAttribute('href')).toBe(`/tasks/${task.id}`);
    peer.send({ type: 'results', results: [{ task: task.id, attempt: tasks[0]!.attempt, output: packPayload('ok') }] });
    await page.getByText('succeeded').waitFor();
    peer.send({ type: 'policy', policy: { paused: true, reason: 'the owner is here' } });
    await page.getByText('unavailable', { exact: true }).waitFor();
    await peer.close();
    await page.getByText('lost its connection').first().waitFor();
  });

  it("asks for a worker's log on request, and says why where it cannot be had", async () => {
    const { peer, id } = await pool.worker({ name: 'logger' });
    const page = await open(`/workers/${id}`);
    await page.getByRole('button', { name: 'Log', exact: true }).click();
    const asked = await peer.waitFor('logs');
    const line = { service: 'embedded', at: '2026-11-22T08:00:00.5Z', stream: 'stderr' as const };
    peer.send({ type: 'log.lines', ref: asked.ref, lines: [{ ...line, text: '<script>alert(1)</script> ready' }] });
    await page.getByText('<script>alert(1)</script> ready').waitFor();
    await page.getByRole('button', { name: 'Refresh' }).click();
    peer.send({ type: 'log.lines', ref: (await peer.waitFor('logs')).ref, lines: [], error: 'the engine is down' });
    await page.getByText('the engine is down').waitFor();
  });

  it('renames, labels, pins, drains and resumes, shows the consequences first, and the audit log has each', async () => {
    const { peer, id } = await pool.worker({ name: 'acted', slots: 2 });
    const client = await pool.client();
    client.send({ type: 'submit', tasks: [echoTask(), echoTask()] });
    await peer.waitFor('dispatch');
    const page = await open(`/workers/${id}`);

    await button(page, 'Rename').click();
    await page.getByLabel('Name', { exact: true }).fill('<b>renamed</b>');
    await confirm(page, 'Rename');
    await page.getByRole('heading', { name: '<b>renamed</b>' }).waitFor();

    await button(page, 'Labels').click();
    await page.getByLabel('Key of label 1').fill('rack');
    await page.getByLabel('Value of label 1').fill('r7');
    await confirm(page, 'Save labels');
    await page.getByText('rack=r7').waitFor();

    await button(page, 'Pin tier').click();
    await page.getByText('3 · data').click();
    await page.getByText('It counts as tier 3, whatever its hardware says').waitFor();
    await confirm(page, 'Pin to tier 3');
    await page.getByText('pinned', { exact: true }).first().waitFor();
    await button(page, 'Pinned tier').click();
    await page.getByText('By hardware').click();
    await confirm(page, 'Let its hardware decide');
    await button(page, 'Pin tier').waitFor();

    await button(page, 'Drain').click();
    await page.getByText('2 running tasks run to the end.').waitFor();
    await page.getByLabel('Stop them, and queue them again for other workers').check();
    await page.getByText('2 running tasks are stopped and queued again for other workers').waitFor();
    await confirm(page, 'Drain');
    await peer.waitFor('stop');
    await page.getByText('No running tasks').waitFor();
    await button(page, 'Resume').click();
    await confirm(page, 'Resume');
    await button(page, 'Drain').waitFor();
    expect(await actions(id)).toEqual([
      'worker.resumed',
      'worker.draining',
      'worker.pinned',
      'worker.pinned',
      'worker.labelled',
      'worker.renamed',
    ]);
  });

  it('revokes a worker once its name is typed', async () => {
    const { peer, id } = await pool.worker({ name: 'doomed' });
    const page = await open(`/workers/${id}`);
    await button(page, 'Revoke').click();
    expect(await page.getByRole('button', { name: 'Revoke for good' }).isDisabled()).toBe(true);
    await page.getByLabel('Type its name or its id').fill('doomed');
    await confirm(page, 'Revoke for good');
    await page.getByText('Revoked for good: its credential').waitFor();
    await peer.closed;
    expect(await button(page, 'Drain').count()).toBe(0);
    expect(await actions(id)).toEqual(['worker.revoked']);
  });

  it('acts from the palette', async () => {
    const { id } = await pool.worker({ name: 'palette' });
    const page = await open(`/workers/${id}`);
    await button(page, 'Drain').waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('option', { name: 'Drain this worker' }).click();
    await page.getByRole('heading', { name: 'Drain palette?' }).waitFor();
    browser.forgive(/Applying inline style/);
  });

  it('says that it is not known whether an action happened while the connection is lost, then that it did', async () => {
    const { id } = await pool.worker({ name: 'cut-off' });
    const page = await open(`/workers/${id}`, { url: relay.url });
    await button(page, 'Revoke').click();
    await page.getByLabel('Type its name or its id').fill(id);
    relay.mute();
    await confirm(page, 'Revoke for good');
    await eventually(async () => expect(await actions(id)).toEqual(['worker.revoked']));
    relay.cut();
    await page.getByText('It is not known yet whether the action was done').waitFor();
    relay.mend();
    await page.getByText('cut-off is revoked: it is out of the pool for good').waitFor();
    await page.getByText('Revoked for good: its credential').waitFor();
    expect(await actions(id)).toEqual(['worker.revoked']);
    browser.forgive(/WebSocket connection|ERR_/);
  });

  it.each(['/workers/w-nosuchworker', '/workers/%3Cimg%20onerror%3E'])(
    'is kind about %s, which is none',
    async (path) => {
      const page = await open(path);
      await page.getByRole('heading', { name: 'No such worker' }).waitFor();
      await page.getByRole('link', { name: 'All workers' }).click();
      await page.getByRole('heading', { name: 'Workers' }).waitFor();
    },
  );

  it('shows a client the worker without its machine, its owner and actions', async () => {
    const { id } = await pool.worker({ name: 'seen-by-clients', hardware: GPU });
    const page = await open(`/workers/${id}`, { token: pool.coordinator.token('client') });
    await page.getByRole('heading', { name: 'seen-by-clients' }).waitFor();
    for (const hidden of ['Hardware', 'Owner', 'Recent tasks']) expect(await page.getByText(hidden).count()).toBe(0);
    expect(await button(page, 'Drain').count()).toBe(0);
  });

  it.each(['light', 'dark'] as const)(
    'has nothing for axe to find, with a dialog and without, in the %s theme',
    async (scheme) => {
      const { peer, id } = await pool.worker({ name: 'measured', hardware: GPU, policy: { paused: true } });
      peer.send({ type: 'sample', load: { cpu: 0.31, memoryUsedMiB: 20_480, gpus: [{ index: 0, load: 0.4 }] } });
      const page = await open(`/workers/${id}`, { scheme });
      await page.getByRole('img', { name: /^GPU load/ }).waitFor();
      expect(await axeViolations(page)).toEqual([]);
      await button(page, 'Labels').click();
      expect(await axeViolations(page)).toEqual([]);
      const narrow = await open(`/workers/${id}`, { scheme, width: 390 });
      await narrow.getByRole('img', { name: /^GPU load/ }).waitFor();
      expect(await axeViolations(narrow)).toEqual([]);
      expect(await narrow.evaluate('document.documentElement.scrollWidth')).toBe(390);
    },
  );
});
