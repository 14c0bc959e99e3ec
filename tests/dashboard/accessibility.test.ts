/** axe-core over every page, in both themes, on a large and a small screen: no violation. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { eventually, Pool } from '../support/pool.js';
import { ROOT } from '../support/program.js';
import { axeViolations } from './support/axe.js';
import { useBrowser } from './support/browser.js';
import { type Seed, type Stop, seed, settled, stops } from './support/walk.js';

const SCREENS = [
  { scheme: 'light', width: 1440 },
  { scheme: 'dark', width: 1440 },
  { scheme: 'light', width: 390 },
  { scheme: 'dark', width: 390 },
] as const;

it('walks every page of the navigation', () => {
  const table = readFileSync(join(ROOT, 'dashboard/src/lib/shell/pages.ts'), 'utf8');
  const paths = stops({ worker: 'w', task: 't', join: 'j' }).map(({ path }) => path);
  for (const [, href] of table.matchAll(/href: '([^']+)'/g)) expect(paths).toContain(href);
});

describe('axe', needs('chromium'), () => {
  const pool = new Pool();
  const browser = useBrowser();
  let seeded: Seed;
  beforeAll(async () => {
    await pool.start();
    seeded = await seed(pool);
    return async () => {
      await pool.settle();
      await pool.dispose();
    };
  });

  const open = (role: Stop['role'], screen: (typeof SCREENS)[number], path: string) =>
    browser.open({
      url: pool.coordinator.http,
      ...(role === 'nobody' ? {} : { token: pool.coordinator.token(role) }),
      ...screen,
      path,
    });

  describe.each(SCREENS)('$scheme, $width px', { timeout: 300_000 }, (screen) => {
    it.each(['admin', 'nobody'] as const)('finds nothing on the pages of %s', async (role) => {
      const found: Record<string, readonly string[]> = {};
      const own = stops(seeded).filter((stop) => stop.role === role);
      const page = await open(role, screen, own[0]!.path);
      for (const stop of own) {
        // A new page: a change of the fragment alone does not reload.
        await page.goto('about:blank');
        await page.goto(`${pool.coordinator.http}${stop.path}`);
        await settled(page, stop);
        const wrong = await axeViolations(page);
        if (wrong.length > 0) found[stop.path] = wrong;
      }
      // Nobody is signed in, which the browser logs to the console.
      browser.forgive(/401 \(Unauthorized\)/);
      expect(found).toEqual({});
    });

    it('finds nothing in the palette, the list of keys and the menu', async () => {
      const page = await open('admin', screen, '/');
      const found: string[] = [];
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox', { name: 'Search or run' }).fill('a');
      await page.getByRole('option').first().waitFor();
      found.push(...(await axeViolations(page)));
      await page.keyboard.press('Escape');
      await page.getByRole('combobox', { name: 'Search or run' }).waitFor({ state: 'detached' });
      // A key that comes while the palette is still closing goes to the palette.
      await eventually(async () => {
        await page.keyboard.press('?');
        await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor({ timeout: 1_000 });
      }, 20_000);
      found.push(...(await axeViolations(page)));
      await page.keyboard.press('Escape');
      await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor({ state: 'hidden' });
      if (screen.width < 900) {
        await page.getByRole('button', { name: 'Menu', exact: true }).click();
        found.push(...(await axeViolations(page)));
      }
      expect(found).toEqual([]);
    });
  });
});
