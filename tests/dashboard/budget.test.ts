/** What the first visit to the overview transfers, as the browser counts it: compressed, with all headers. */
import { describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { usePool } from '../support/pool.js';
import { useBrowser } from './support/browser.js';

const BUDGET_BYTES = 180_000;

describe('the first load', needs('chromium'), () => {
  const pool = usePool();
  const browser = useBrowser();

  async function load() {
    const page = await browser.open({
      url: pool.coordinator.http,
      token: pool.coordinator.token('admin'),
      path: 'about:blank',
    });
    const network = await page.context().newCDPSession(page);
    await network.send('Network.enable');
    const urls = new Map<string, string>();
    const sizes = new Map<string, number>();
    network.on('Network.responseReceived', ({ requestId, response }) => {
      urls.set(requestId, new URL(response.url).pathname);
    });
    network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      const url = urls.get(requestId);
      if (url !== undefined) sizes.set(url, (sizes.get(url) ?? 0) + encodedDataLength);
    });
    const visit = async () => {
      urls.clear();
      sizes.clear();
      await page.goto('/', { waitUntil: 'networkidle' });
      await page.getByText('Live', { exact: true }).filter({ visible: true }).waitFor();
      await page.waitForLoadState('networkidle');
      return [...sizes].sort(([, a], [, b]) => b - a);
    };
    return { visit };
  }
  const sum = (sizes: readonly (readonly [string, number])[]) => sizes.reduce((total, [, size]) => total + size, 0);

  it(`takes at most ${BUDGET_BYTES / 1_000} kB`, async () => {
    const { visit } = await load();
    const sizes = await visit();
    const list = sizes.map(([url, size]) => `${size} ${url}`).join('\n');
    expect(sum(sizes), list).toBeLessThanOrEqual(BUDGET_BYTES);
    // Nothing was left out of the count.
    expect(list).toMatch(/\.js/);
    expect(list).toMatch(/\.css/);
    expect(list).toMatch(/\.woff2/);
    process.stdout.write(`first load of /: ${(sum(sizes) / 1_000).toFixed(1)} kB in ${sizes.length} requests\n`);
  });

  it('is next to nothing the second time', async () => {
    const { visit } = await load();
    await visit();
    const sizes = await visit();
    expect(sum(sizes), JSON.stringify(sizes)).toBeLessThan(6_000);
  });
});
