import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { fixture, isAlive, untilGone } from './runtime-harness.js';

const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

/** An agent process that runs a job of this kind in a handler process. */
async function agentBusyWith(kind: string): Promise<{ agent: ChildProcess; pid: number; home: string }> {
  const agent = fork(fixture('agent.mjs'), [kind]);
  children.push(agent);
  const [message] = (await once(agent, 'message')) as [{ pid: number; home: string }];
  expect(isAlive(message.pid)).toBe(true);
  return { agent, ...message };
}

it.each(['test.deaf', 'test.loop'])(
  'a process in %s ends with an agent that is killed by SIGKILL, and leaves nothing',
  async (kind) => {
    const { agent, pid, home } = await agentBusyWith(kind);
    agent.kill('SIGKILL');
    await once(agent, 'exit');
    await untilGone(pid);
    expect(existsSync(home), 'the scratch directory is still there').toBe(false);
  },
);

it('a process ends itself for its memory where the agent cannot see it, and says so', async () => {
  const entry = fileURLToPath(import.meta.resolve('@rma/workloads/host/child'));
  const module = new URL('./fixtures/handlers.mjs', import.meta.url).href;
  const child = fork(entry, [module, String(process.pid), '150'], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  children.push(child);
  let told = '';
  child.stderr?.on('data', (data: Buffer) => {
    told += String(data);
  });
  await once(child, 'message');
  child.send({ type: 'run', run: 1, kind: 'test.swell', input: {} });
  await once(child, 'exit');
  await eventually(() => expect(told).toMatch(/memory limit passed: \d+ of 150 MiB/));
});
