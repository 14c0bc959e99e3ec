/** The live list of tasks in a real browser. */
import { describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { axeViolations } from './support/axe.js';
import { useBrowser } from './support/browser.js';
import { useLivePool } from './support/live-pool.js';

const NOWHERE = { labels: { nowhere: 'yes' } };

describe('the list of tasks', needs('chromium'), () => {
  const pool = useLivePool(['echo'], ['echo']);
  const browser = useBrowser();
  const rowOf = (id: string) => `[role="row"]:has(a[data-task="${id}"])`;

  it('shows a task that was submitted elsewhere, and its end, by itself', async () => {
    const page = await browser.open({ ...pool.page, path: '/tasks' });
    await page.getByText('No tasks yet').waitFor();
    const task = pool.client.submit('echo', { delayMs: 600 });
    await page.locator(rowOf(task.id)).getByText('running').waitFor();
    await page.locator(rowOf(task.id)).getByText('succeeded').waitFor();
  });

  it('keeps its filter in the address, shows what fits only, and is right after a reload', async () => {
    const [waiting] = pool.client.submitMany([
      { kind: 'echo', constraints: NOWHERE },
      { kind: 'echo', input: 1 },
    ]);
    await waiting?.accepted;
    const page = await browser.open({ ...pool.page, path: '/tasks' });
    await page.getByRole('button', { name: /^queued/ }).click();
    await page.waitForURL(/\?state=queued$/);
    await page.locator(rowOf(waiting?.id ?? '')).waitFor();
    expect(await page.getByRole('table').getByText('succeeded').count()).toBe(0);
    await page.getByLabel('Kind', { exact: true }).fill('echo');
    await page.waitForURL(/kind=echo/);
    await page.getByLabel('Kind', { exact: true }).fill('Not A Kind');
    await page.getByText('A kind is written like ocr.read').waitFor();
    await page.reload();
    await page.locator(rowOf(waiting?.id ?? '')).waitFor();
    await waiting?.cancel();
    await page.getByText('No tasks match').waitFor();
  });

  it('cancels and retries the selected tasks, by keys too, with their number before and after', async () => {
    const tasks = pool.client.submitMany(
      Array.from({ length: 5 }, () => ({ kind: 'echo', input: 'bulk', constraints: NOWHERE })),
    );
    await Promise.all(tasks.map((task) => task.accepted));
    const page = await browser.open({ ...pool.page, path: '/tasks?state=queued' });
    await page.locator('a[data-task]').nth(4).waitFor();
    await page.locator('a[data-task]').first().focus();
    await page.keyboard.press('x');
    await page.getByText('1 task selected').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('j');
    await page.keyboard.press('Shift+X');
    await page.getByText('3 tasks selected').waitFor();
    await page.getByLabel('Select all tasks shown').click();
    await page.getByRole('region', { name: 'Selected tasks' }).getByRole('button', { name: 'Cancel 5' }).click();
    await page.getByRole('button', { name: 'Cancel 5 tasks' }).click();
    await page.getByText('5 tasks cancelled').waitFor();
    await page.getByText('No tasks match').waitFor();

    await page.goto('/tasks?state=cancelled&q=echo');
    await page
      .locator(rowOf(tasks[0]?.id ?? ''))
      .getByRole('checkbox')
      .click();
    await page.getByRole('region', { name: 'Selected tasks' }).getByRole('button', { name: 'Retry 1' }).click();
    await page.getByRole('button', { name: 'Retry 1 task' }).click();
    await page.getByText('1 task submitted again').waitFor();
    const [again] = await pool.client.tasks({ state: 'queued' });
    await pool.client.cancel(again?.id ?? '');
  });

  it('loads older ones by asking, and opens a task by its id', async () => {
    const old = pool.client.submit('echo', 'old');
    await old.result();
    await Promise.all(
      pool.client.submitMany(Array.from({ length: 60 }, () => ({ kind: 'echo' }))).map((t) => t.result()),
    );
    const page = await browser.open({ ...pool.page, path: '/tasks?limit=50' });
    await page.getByText('50 tasks', { exact: false }).first().waitFor();
    expect(await page.locator(rowOf(old.id)).count()).toBe(0);
    await page.getByRole('button', { name: 'Load older' }).click();
    await page.locator(rowOf(old.id)).waitFor();
    await page.getByRole('searchbox').fill(old.id.toUpperCase());
    await page.keyboard.press('Enter');
    await page.waitForURL(new RegExp(`/tasks/${old.id}$`));
  });

  it('takes hostile words for words, and has nothing that axe objects to, in either theme, wide and narrow', {
    timeout: 90_000,
  }, async () => {
    const fail = '<img src=x onerror="document.title=1"> \u202eبيت 🏠';
    await pool.client.submit('echo', { fail }, { maxAttempts: 1 }).result();
    for (const scheme of ['light', 'dark'] as const) {
      for (const width of [1440, 390]) {
        const page = await browser.open({ ...pool.page, path: '/tasks?limit=50', scheme, width });
        await page.getByRole('row').nth(2).waitFor();
        expect(await page.locator('main img').count()).toBe(0);
        expect(await axeViolations(page)).toEqual([]);
        expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      }
    }
  });
});
