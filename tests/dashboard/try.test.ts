/** Trying the pool from the page, and the same call by command, code and curl, run for real. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { ROOT } from '../support/program.js';
import { axeViolations } from './support/axe.js';
import { useBrowser } from './support/browser.js';
import { useLivePool } from './support/live-pool.js';

const LETTER = fileURLToPath(new URL('../../docs/samples/letter.png', import.meta.url));
const run = promisify(execFile);

describe('the page to try the pool', needs('chromium'), () => {
  const pool = useLivePool(['echo', 'ocr', 'ner'], ['echo', 'ocr.read', 'ner.extract']);
  const browser = useBrowser();
  /** In sh, where `rma` is the project's own. */
  const shell = async (line: string, cwd = ROOT) => {
    const env = { ...process.env, RMA_TOKEN: pool.page.token };
    const rma = `rma() { '${process.execPath}' '${ROOT}/client/bin/rma.js' "$@"; }`;
    return (await run('sh', ['-c', `${rma}\n${line}`], { cwd, env })).stdout;
  };

  it('reads a letter: drop it, run it, see its text; and so does the same call by command, in a shell', async () => {
    const page = await browser.open({ ...pool.page, path: '/try' });
    await page.getByText('Reads the text of a scan').waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByText('Choose a file.').waitFor();
    await page.locator('input[type="file"]').setInputFiles(LETTER);
    await page.getByText('letter.png').first().waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page
      .getByRole('region', { name: 'Output', exact: true })
      .getByText('Harbour & Finch Solicitors')
      .waitFor({ timeout: 60_000 });
    const command = await page.getByLabel('the rma command', { exact: true }).innerText();
    expect(command).toContain('rma submit ocr.read --file letter.png');
    expect(await shell(command, join(ROOT, 'docs/samples'))).toContain('Harbour & Finch Solicitors');
  }, 90_000);

  it('writes the same call as code and for curl, each of which does it', async () => {
    const page = await browser.open({ ...pool.page, path: '/try?kind=ner.extract' });
    await page
      .getByLabel('Text', { exact: true })
      .fill('It\'s Margaret Whitfield\'s $HOME in "Bristol" `since` 4 March 2025.');
    await page.getByRole('radio', { name: 'curl' }).check({ force: true });
    const answer = JSON.parse(await shell(await page.getByLabel('the curl command', { exact: true }).innerText()));
    expect(JSON.stringify(answer.output.entities)).toContain('Bristol');
    await page.getByRole('radio', { name: 'SDK' }).check({ force: true });
    const module = join(ROOT, 'node_modules/.cache', `same-call-${process.pid}.mjs`);
    await writeFile(module, await page.getByLabel('the SDK code', { exact: true }).innerText());
    expect(await shell(`'${process.execPath}' '${module}'; rm '${module}'`)).toContain('Bristol');
  });

  it('says where the JSON is wrong, runs what streams, and cancels it', async () => {
    const page = await browser.open({ ...pool.page, path: '/try?kind=echo' });
    const input = page.getByLabel('Input, as JSON');
    await input.fill('{"chunks": 400,\n "delayMs": oops}');
    await page.getByText(/Line 2, column 13/).waitFor();
    await input.fill('{"chunks": 400, "delayMs": 60000}');
    await input.press('Control+Enter');
    await page.getByRole('log').getByText('{"n":2}').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('It was cancelled by').waitFor();
  });

  it('warns of a kind that nobody serves, refuses a file that is too large before it is read', async () => {
    const page = await browser.open({ ...pool.page, path: '/try?kind=llm.chat' });
    await page.getByText('No worker serves llm.chat now').waitFor();
    await page.evaluate(`{
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(51 * 1048576)], 'huge.bin'));
      document.querySelector('.drop').dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true }));
    }`);
    await page.getByText(/huge.bin has 51.0 MiB; a task takes files of up to 50 MiB/).waitFor();
  });

  it('has nothing that axe objects to, in either theme, wide and narrow', { timeout: 90_000 }, async () => {
    for (const scheme of ['light', 'dark'] as const) {
      for (const [width, path] of [
        [1440, '/try'],
        [390, '/try?kind=echo'],
      ] as const) {
        const page = await browser.open({ ...pool.page, path, scheme, width });
        await page.getByRole('button', { name: 'Run', exact: true }).waitFor();
        expect(await axeViolations(page)).toEqual([]);
        expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      }
    }
  });
});
