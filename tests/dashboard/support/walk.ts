/**
 * All pages of the dashboard, and a pool that fills them, for tests that visit each. A page that is added to the navigation
 * must be added here: accessibility.test.ts checks that.
 */
import type { Page } from 'playwright-core';
import { echoTask, newTaskId } from '../../support/peer.js';
import type { Pool } from '../../support/pool.js';

export interface Stop {
  readonly path: string;
  /** The page's first heading, or a part of it. */
  readonly heading: string | RegExp;
  /** Who looks at it; nobody is signed in for the public ones. */
  readonly role: 'admin' | 'nobody';
}

export interface Seed {
  readonly worker: string;
  readonly task: string;
  /** A join token. */
  readonly join: string;
}

/** All pages, in the order of the navigation, then those that are reached from them. */
export function stops({ worker, task, join }: Seed): readonly Stop[] {
  return [
    { path: '/', heading: 'Overview', role: 'admin' },
    { path: '/workers', heading: 'Workers', role: 'admin' },
    { path: '/tasks', heading: 'Tasks', role: 'admin' },
    { path: '/try', heading: 'Try it', role: 'admin' },
    { path: '/workloads', heading: 'Workloads', role: 'admin' },
    { path: '/add', heading: 'Add a machine', role: 'admin' },
    { path: '/access', heading: 'Access', role: 'admin' },
    { path: '/events', heading: 'Events', role: 'admin' },
    { path: `/workers/${worker}`, heading: 'attic-rig', role: 'admin' },
    { path: `/tasks/${task}`, heading: /\S/, role: 'admin' },
    { path: '/workers/w-nowhere', heading: /\S/, role: 'admin' },
    { path: `/tasks/${newTaskId()}`, heading: /\S/, role: 'admin' },
    { path: '/nowhere', heading: 'There is no such page', role: 'admin' },
    { path: '/', heading: 'Sign in to the pool', role: 'nobody' },
    { path: `/join#${join}`, heading: /\S/, role: 'nobody' },
  ];
}

/** Workers of all kinds, one with a hostile name, and tasks that wait, run, are done and failed. */
export async function seed(pool: Pool): Promise<Seed> {
  const { token } = await pool.mint({ role: 'join', name: 'for-ann', uses: 9, owner: 'ann' });
  const rig = await pool.worker({ name: 'attic-rig', slots: 2 }, token);
  await pool.worker({ name: '<img src=x onerror=alert(1)>', kinds: ['other'] });
  const gone = await pool.worker({ name: 'office-3', kinds: ['other'] });
  await gone.peer.close();
  rig.peer.send({ type: 'sample', load: { cpu: 0.42, memoryUsedMiB: 5_200, gpus: [] } });
  const client = await pool.client();
  const tasks = Array.from({ length: 6 }, (_, n) => echoTask({ text: `number ${n}`, list: [1, 2, { deep: true }] }));
  client.send({ type: 'submit', tasks });
  await client.waitFor('accepted');
  const { tasks: given } = await rig.peer.waitFor('dispatch');
  const [done, failed] = given;
  if (!done || !failed) throw new Error('the worker got fewer tasks than it has slots');
  rig.peer.send({
    type: 'results',
    results: [
      { task: done.task, attempt: done.attempt, output: done.input ?? new Uint8Array([0xc0]) },
      {
        task: failed.task,
        attempt: failed.attempt,
        error: { code: 'failed', message: 'the file <b>is</b> no image', retryable: false },
      },
    ],
  });
  await rig.peer.waitFor('acknowledged');
  return { worker: rig.id, task: done.task, join: token };
}

/** Waits until a page shows what it has to show. */
export async function settled(page: Page, { heading }: Stop): Promise<void> {
  await page.getByRole('heading', { level: 1 }).filter({ hasText: heading }).first().waitFor();
  await page.locator('div.waiting').first().waitFor({ state: 'detached' });
}
