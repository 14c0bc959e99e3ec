/** Scratch directories of handler processes: also those of an agent that was killed before any process could remove them. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { NO_ASSIGNMENT } from './support/coordinator.js';
import { useFixture } from './support/fixture.js';

const fixture = useFixture();
const handlersFile = fileURLToPath(new URL('../../workloads/host/fixtures/handlers.mjs', import.meta.url));
const scratch = () => join(fixture.directory, 'state', 'scratch');
const scratches = () => (existsSync(scratch()) ? readdirSync(scratch()) : []);

it('lie in the state directory, and go with the agent', async () => {
  const agent = fixture.agent({ handlersFile });
  await agent.start();
  await fixture.coordinator.welcomed();
  expect(scratches()).toHaveLength(1);
  await agent.stop();
  expect(scratches()).toEqual([]);
});

it('of an agent that was killed are removed by the next one', async () => {
  mkdirSync(join(scratch(), 'left'), { recursive: true });
  writeFileSync(join(scratch(), 'left', 'of-a-handler'), 'x');
  await fixture.agent().start();
  expect(scratches()).toEqual([]);
});

it('are not made for workloads that run inside the agent', async () => {
  const { coordinator } = fixture;
  coordinator.answer = () => ({ assignment: { ...NO_ASSIGNMENT, workloads: [{ workload: 'echo', reason: 'test' }] } });
  await fixture.agent({ only: ['echo'] }).start();
  const session = await coordinator.welcomed();
  await coordinator.until('echo', () =>
    session.of('services').some(({ services }) => services[0]?.state === 'healthy'),
  );
  expect(scratches()).toEqual([]);
});
