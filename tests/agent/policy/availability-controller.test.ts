/** The effect of the policy on a connected agent; clock, idle time and GPU temperature are the test's. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packPayload } from '@rma/protocol/payload';
import { expect, it, vi } from 'vitest';
import { HeldRuntime, useFixture } from '../link/support/fixture.js';

const fixture = useFixture();
const WAIT = { timeout: 10_000, interval: 20 };

function withPolicy(yaml: string) {
  const runtime = new HeldRuntime(['echo']);
  const configFile = join(fixture.directory, 'worker.yaml');
  writeFileSync(configFile, yaml);
  const world = { nowMs: Date.parse('2026-01-07T17:59:59Z'), idleMs: 3_600_000, gpuC: 50 };
  fixture.coordinator.answer = (hello) => (hello.token === 'join-token' ? { id: 'w-policy', credential: 'own' } : {});
  const agent = fixture.agent({
    runtimes: [runtime],
    configFile,
    policySources: {
      wallMs: () => world.nowMs,
      idle: () => Promise.resolve({ signal: 'load', idleMs: world.idleMs }),
      load: () => Promise.resolve({ cpu: 0, memoryUsedMiB: 0, gpus: [{ index: 0, temperatureC: world.gpuC }] }),
      measureIntervalMs: 20,
    },
  });
  return { agent, runtime, world };
}

it('an agent dials when its hours begin, and sends its policy', async () => {
  const { agent, world } = withPolicy(
    'schedule:\n  timeZone: UTC\n  windows:\n    - {days: [wed], from: 18:00, to: 23:00}\n',
  );
  await agent.start();
  expect(agent.status().lending).toMatchObject({ state: 'closed', until: '2026-01-07T18:00:00.000Z' });
  expect(agent.online).toBe(false);
  world.nowMs += 1_000;
  const session = await fixture.coordinator.welcomed(1);
  expect(session.hello.worker?.policy).toMatchObject({ paused: false, timeZone: 'UTC', windows: [{ from: '18:00' }] });
});

it('when its owner uses the machine, running tasks are handed back at once and the agent disconnects', async () => {
  const { agent, runtime, world } = withPolicy('onlyWhenIdle: true\ngraceMinutes: 60\n');
  await agent.start();
  const session = await fixture.coordinator.welcomed(1);
  await vi.waitFor(() => expect(agent.online).toBe(true), WAIT);
  session.dispatch({ input: packPayload(1) });
  await vi.waitFor(() => expect(runtime.held).toHaveLength(1), WAIT);
  fixture.coordinator.onMessage = (_, message) => {
    if (message.type === 'results') session.acknowledge(...message.results);
  };
  world.idleMs = 0;
  await vi.waitFor(() => expect(session.closed?.code).toBe(1000), WAIT);
  expect(session.results).toMatchObject([
    { error: { code: 'cancelled', retryable: true, message: expect.stringContaining('its owner uses it') } },
  ]);
  expect(session.of('policy').at(-1)?.policy).toMatchObject({ paused: true, onlyWhenIdle: true });
  expect(session.of('drain')).toMatchObject([{ draining: true }]);
  world.idleMs = 600_000;
  const again = await fixture.coordinator.welcomed(2);
  expect(again.hello.worker?.draining).toBeUndefined();
});

it('with a hot GPU it stays connected, takes no new tasks, and lets running ones continue', async () => {
  const { agent, runtime, world } = withPolicy('caps: {gpuTemperatureC: 80}\n');
  await agent.start();
  const session = await fixture.coordinator.welcomed(1);
  await vi.waitFor(() => expect(agent.online).toBe(true), WAIT);
  session.dispatch({ input: packPayload(1) });
  await vi.waitFor(() => expect(runtime.held).toHaveLength(1), WAIT);
  world.gpuC = 90;
  await vi.waitFor(() => expect(session.of('drain')).toMatchObject([{ draining: true }]), WAIT);
  expect(session.of('policy').at(-1)?.policy).toMatchObject({ paused: true, reason: expect.stringContaining('90 °C') });
  expect(runtime.held[0]?.cancelled).toBe(false);
  world.gpuC = 60;
  await vi.waitFor(() => expect(session.of('drain')).toMatchObject([{ draining: true }, { draining: false }]), WAIT);
  expect(agent.online).toBe(true);
});
