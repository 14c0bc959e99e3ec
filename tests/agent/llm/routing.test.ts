/** Which of several services of one worker takes a task, where they have different models. */
import { Services } from '@rma/agent/attempts/services';
import type { Runtime, ServiceStatus } from '@rma/workloads/runtime';
import { expect, it } from 'vitest';

function runtime(status: Partial<ServiceStatus>): Runtime {
  const full: ServiceStatus = {
    name: 'x',
    runtime: 'endpoint',
    state: 'healthy',
    kinds: ['text.embed'],
    slots: 1,
    ...status,
  };
  return {
    start: async () => undefined,
    services: () => [full],
    execute: () => {
      throw new Error('nothing runs here');
    },
    stop: async () => undefined,
  };
}

const services = new Services();
services.update([
  runtime({ name: 'a', models: ['nomic:latest'] }),
  runtime({ name: 'built-in', runtime: 'embedded' }),
  runtime({ name: 'b', models: ['bge'] }),
]);

it.each([
  ['bge', 'b'],
  ['nomic', 'a'],
  ['universal-sentence-encoder-lite', 'built-in'],
  [undefined, 'built-in'],
])('a task that asks for the model %s goes to %s', (model, name) => {
  expect(services.serving('text.embed', () => model)?.status.name).toBe(name);
});

it('tells the models, the workload and the pull of a service', () => {
  const services = new Services();
  services.update([runtime({ models: ['bge'], workload: 'llm', pull: { bytes: 1, totalBytes: 2 } })]);
  expect(services.list()).toMatchObject([{ models: ['bge'], workload: 'llm', pull: { bytes: 1, totalBytes: 2 } }]);
});
