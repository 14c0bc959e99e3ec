/** One task in a real browser: its timeline, its values, and the actions on it. */
import { readFile } from 'node:fs/promises';
import { connect } from '@rma/client';
import { describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { newTaskId } from '../support/peer.js';
import { makeAsianPdf } from '../workloads/document/document-files.js';
import { axeViolations } from './support/axe.js';
import { useBrowser } from './support/browser.js';
import { useLivePool } from './support/live-pool.js';

const NOWHERE = { labels: { nowhere: 'yes' } };

describe('the page of a task', needs('chromium'), () => {
  const pool = useLivePool(['echo'], ['echo']);
  const browser = useBrowser();

  it('streams what the task gives, draws its attempt, and shows its end, by itself', async () => {
    const task = pool.client.submit('echo', { chunks: 8, delayMs: 2_000 });
    const page = await browser.open({ ...pool.page, path: `/tasks/${task.id}` });
    await page.getByRole('log').getByText('{"n":1}').waitFor();
    await page.getByText('Attempt 1').waitFor();
    await page.getByText('succeeded').first().waitFor();
    await page.getByRole('heading', { name: 'Output', exact: true }).waitFor();
    expect(await page.getByRole('log').innerText()).toBe([1, 2, 3, 4, 5, 6, 7, 8].map((n) => `{"n":${n}}\n`).join(''));
    expect(await page.getByRole('link', { name: 'bench' }).count()).toBeGreaterThan(0);
  });

  it('continues by itself after the coordinator was killed in mid-stream, with every chunk once', async () => {
    const count = 60;
    const task = pool.client.submit('echo', { chunks: count, delayMs: 9_000 });
    await task.accepted;
    const page = await browser.open({ ...pool.page, path: `/tasks/${task.id}` });
    await page.getByRole('log').getByText('{"n":5}').waitFor();
    await pool.kill();
    await page
      .getByText(/Reconnecting/)
      .first()
      .waitFor();
    await pool.startAgain();
    await page.getByRole('heading', { name: 'Output', exact: true }).waitFor({ timeout: 40_000 });
    const lines = (await page.getByRole('log').innerText()).trim().split('\n');
    expect(lines).toEqual(Array.from({ length: count }, (_, i) => `{"n":${i + 1}}`));
    browser.forgive(/WebSocket|ERR_CONNECTION_REFUSED|Failed to fetch|Failed to load resource/);
  }, 60_000);

  it('says why it waits, notices what changes that, cancels, retries and begins again with changes', async () => {
    const task = pool.client.submit('echo', { hello: 'again' }, { constraints: NOWHERE, priority: 7 });
    await task.accepted;
    const page = await browser.open({ ...pool.page, path: `/tasks/${task.id}` });
    await page.getByText('Why is it waiting?').waitFor();
    await page
      .getByText(/nowhere/)
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Cancel' }).first().click();
    await page.getByRole('button', { name: 'Cancel the task' }).click();
    await page.getByText('cancelled').first().waitFor();
    await page.getByRole('button', { name: 'Retry' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click();
    await page.waitForURL((url) => url.pathname.startsWith('/tasks/') && !url.pathname.endsWith(task.id));
    await page.getByText('Why is it waiting?').waitFor();
    const again = page.url().split('/').at(-1) ?? '';
    await pool.client.cancel(again);
    await page.getByRole('link', { name: 'Edit and resubmit' }).click();
    await page.waitForURL(/\/try\?from=/);
    await page.getByLabel('Input, as JSON').waitFor();
    expect(JSON.parse(await page.getByLabel('Input, as JSON').inputValue())).toEqual({ hello: 'again' });
    expect(await page.getByLabel('Priority').inputValue()).toBe('7');
    expect(await page.getByLabel('Labels').inputValue()).toBe('nowhere=yes');
  });

  it('is kind about an id that is not there, or is none', async () => {
    for (const id of [newTaskId(), 'no-id']) {
      const page = await browser.open({ ...pool.page, path: `/tasks/${id}` });
      await page.getByText('There is no such task').waitFor();
    }
  });

  it('shows a text of 100,000 characters, deep and hostile values without harm or delay', async () => {
    let deep: unknown = 'the bottom';
    for (let i = 0; i < 50; i++) deep = { deeper: deep };
    const hostile = '<img src=x onerror="document.title=1">';
    const value = {
      long: 'x'.repeat(100_000),
      deep,
      [hostile]: hostile,
      rtl: '\u202eبيت',
      list: Array.from({ length: 5_000 }, (_, i) => i),
    };
    const tasks = [pool.client.submit('echo', value), pool.client.submit('echo', 'y'.repeat(100_000))];
    await Promise.all(tasks.map((task) => task.result()));
    const page = await browser.open({ ...pool.page, path: `/tasks/${tasks[0]?.id}` });
    await page.getByRole('radio', { name: 'JSON' }).first().check({ force: true });
    await page.getByText('99,600 more characters').first().waitFor();
    expect(await page.evaluate('document.querySelectorAll("main *").length')).toBeLessThan(1_500);
    expect(await page.locator('main img').count()).toBe(0);
    await page.getByRole('button', { name: /^deep/ }).first().click();
    await page.goto(`/tasks/${tasks[1]?.id}`);
    await page.getByRole('region', { name: 'Output', exact: true }).getByText('20,000 of 100,000 characters').waitFor();
    expect(await page.title()).not.toBe('1');
  });

  it('shows pictures, pages, tables, vectors and bytes as what they are, also where they belong to somebody else', {
    timeout: 90_000,
  }, async () => {
    const { token } = await pool.client.createToken({ role: 'client', name: 'ada' });
    const ada = connect({ url: pool.page.url, token });
    const sample = (name: string) => readFile(new URL(`../../docs/samples/${name}`, import.meta.url));
    const task = ada.submit('echo', {
      picture: new Uint8Array(await sample('letter.png')),
      pages: new Uint8Array(await sample('letter.pdf')),
      japanese: makeAsianPdf('90ms-RKSJ-H', 'Japan1', Uint8Array.of(0x90, 0xbf, 0x8b, 0x81)),
      rows: [
        { name: 'Ada', score: 1 },
        { name: '<b>Bob</b>', score: 2 },
      ],
      vector: Array.from({ length: 64 }, (_, i) => Math.sin(i)),
      raw: Uint8Array.of(0, 1, 2, 3),
    });
    await task.result();
    await ada.close();
    const page = await browser.open({ ...pool.page, path: `/tasks/${task.id}` });
    const output = page.getByRole('region', { name: 'Output', exact: true });
    const choose = (name: string) => output.getByRole('radio', { name }).check({ force: true });
    await choose('Picture');
    await output.getByText(/image\/png, \d+ × \d+/).waitFor();
    await choose('Pages');
    await output.locator('canvas[data-drawn="1"]').waitFor();
    const map = page.waitForResponse(/90ms-RKSJ-H.*\.bcmap$/);
    await choose('Japanese');
    expect((await map).status()).toBe(200);
    await output.locator('canvas[data-drawn="1"]').waitFor();
    await choose('Rows');
    await output.getByText('<b>Bob</b>').waitFor();
    await choose('Vector');
    await output.getByText('64 dimensions').waitFor();
    await choose('Raw');
    await output.getByText('00 01 02 03').waitFor();
    for (const view of ['Rows', 'Vector', 'JSON']) {
      await choose(view);
      expect(await axeViolations(page)).toEqual([]);
    }
  });

  it('shows the error with advice, and has nothing that axe objects to', async () => {
    const task = pool.client.submit('echo', { chunks: -1 });
    await task.result();
    // accessibility.test.ts has both themes.
    const page = await browser.open({ ...pool.page, path: `/tasks/${task.id}`, scheme: 'dark' });
    await page.getByText('input.invalid').first().waitFor();
    await page.getByText(/Edit and resubmit it/).waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });
});
