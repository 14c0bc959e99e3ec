/** The public page of a join link: what a donor sees without an account, and a real agent that joins from it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { needs } from '../support/needs.js';
import { usePool } from '../support/pool.js';
import { Program } from '../support/program.js';
import { axeViolations } from './support/axe.js';
import { useBrowser } from './support/browser.js';

describe('the page behind a join link', needs('chromium'), () => {
  const pool = usePool();
  const browser = useBrowser();
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  const invitation = (change: object = {}) =>
    pool.mint({ role: 'join', name: 'invitation', owner: 'Grace', uses: 1, expiresInSeconds: 3_600, ...change });
  const open = (token: string, scheme: 'light' | 'dark' = 'light', width = 1440) =>
    browser.open({ url: pool.coordinator.http, path: `/join#${token}`, scheme, width });

  it('a real agent, started with the token of the link, appears with its tier and why', async () => {
    const { token } = await invitation();
    const page = await open(token);
    await page.getByText('Waiting for your machine').waitFor();
    await page.getByText('You are invited as Grace', { exact: false }).waitFor();

    const state = mkdtempSync(join(tmpdir(), 'rma-join-page-'));
    const args = [
      '--url',
      pool.coordinator.http,
      '--state',
      state,
      '--only',
      'echo',
      '--name',
      'real-one',
      '--engine',
      'none',
    ];
    const agent = new Program('agent/bin/rma-worker.js', args, { env: { RMA_TOKEN: token } });
    cleanups.push(async () => {
      await agent.end('SIGTERM');
      rmSync(state, { recursive: true, force: true });
    });
    const machine = page.getByRole('article', { name: 'Machine real-one' });
    await machine.waitFor({ timeout: 20_000 });
    await machine
      .getByText(/^tier \d: /)
      .first()
      .waitFor();
    await machine.getByText('echo healthy').waitFor();
    await page.getByText('Thank you.', { exact: false }).waitFor();
    // A return visit shows the machine, although the token is used up.
    await page.reload();
    await machine.waitFor();
  });

  it('does not use up the token when it is opened, and requests no URL with the token', async () => {
    const { token, view } = await invitation();
    const page = await browser.open({ url: pool.coordinator.http, path: '/join' });
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(`/join#${token}`);
    await page.getByText('Waiting for your machine').waitFor();
    await page.reload();
    await page.getByText('Waiting for your machine').waitFor();
    expect(asked.filter((url) => url.split('#')[0]!.includes(token))).toEqual([]);
    const admin = await pool.admin();
    const tokens = (await admin.ask({ type: 'query', query: { what: 'tokens' } })) as {
      id: string;
      usesLeft: number;
    }[];
    expect(tokens.find(({ id }) => id === view.id)?.usesLeft).toBe(1);
  });

  it('says what lending means, without asking for an account', async () => {
    const { token } = await invitation({ trust: 'trusted' });
    const page = await open(token, 'light', 390);
    for (const heading of ['What runs', 'What is never touched', 'How to stop'])
      await page.getByRole('heading', { name: heading }).waitFor();
    await page.getByText('it may also keep the pool’s data', { exact: false }).waitFor();
    await page.getByText('The commands that stop it').click();
    await page.getByText('docker stop rma-worker').waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    expect(await page.getByLabel('Token').count()).toBe(0);
  });

  it('is kind about a link that lost its end, one that is no invitation, and a key that is none', async () => {
    const page = await open('');
    await page.getByRole('heading', { name: 'This link is incomplete' }).waitFor();
    await page.goto('/join#eyJhbGciOiJIUzI1NiJ9.broken');
    await page.getByRole('heading', { name: 'This is not an invitation to this pool' }).waitFor();
    await page.goto(`/join#${pool.coordinator.token('client')}`);
    await page.getByRole('heading', { name: 'This is a key, not an invitation' }).waitFor();
    const { token } = await invitation();
    await page.goto(`/join#${token}`);
    await page.getByText('Waiting for your machine').waitFor();
    browser.forgive(/40[013] /);
  });

  it('is kind about an invitation that expired, was used or withdrawn, also while the page is open', async () => {
    const expired = await invitation({ expiresInSeconds: 1 });
    const used = await invitation();
    await pool.worker({}, used.token);
    const withdrawn = await invitation();
    const admin = await pool.admin();
    const page = await open(withdrawn.token);
    await page.getByText('Waiting for your machine').waitFor();
    await admin.ask({ type: 'act', action: { do: 'token.revoke', token: withdrawn.view.id } });
    await page.getByText('This invitation was withdrawn').waitFor();
    expect(await page.getByRole('region', { name: 'the command' }).count()).toBe(0);
    await page.reload();
    await page.getByRole('heading', { name: 'This invitation was withdrawn' }).waitFor();
    await page.goto(`/join#${expired.token}`);
    await page.getByText('This invitation has expired').waitFor();
    await page.goto(`/join#${used.token}`);
    await page.getByRole('article').first().waitFor();
    expect(await page.getByRole('region', { name: 'the command' }).count()).toBe(0);
    browser.forgive(/401 /);
  });

  it('has nothing that axe objects to', async () => {
    const { token } = await invitation({ uses: 5 });
    await pool.worker({ name: 'here already' }, token);
    // accessibility.test.ts has both themes.
    const page = await open(token, 'dark');
    await page.getByText('Waiting for the next machine').waitFor();
    await page.getByRole('article').first().waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });
});
