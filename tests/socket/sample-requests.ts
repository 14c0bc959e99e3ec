/** One valid query and one valid action of each name, about the things with the ids given. */
import type { ActionName, ActionOf } from '@rma/protocol/action';
import type { QueryName, QueryOf } from '@rma/protocol/query';

export interface SampleIds {
  /** A task that has ended, and one that waits. */
  readonly ended: string;
  readonly waiting: string;
  readonly worker: string;
  readonly token: string;
}

export const sampleQueries = (ids: SampleIds): { readonly [W in QueryName]: QueryOf<W> } => ({
  tasks: { what: 'tasks' },
  task: { what: 'task', task: ids.waiting },
  workers: { what: 'workers' },
  stats: { what: 'stats' },
  kinds: { what: 'kinds' },
  tokens: { what: 'tokens' },
  placement: { what: 'placement' },
  catalog: { what: 'catalog' },
  events: { what: 'events', since: 0 },
  log: { what: 'log', worker: ids.worker },
  history: { what: 'history' },
  audit: { what: 'audit' },
  input: { what: 'input', task: ids.ended },
});

export const sampleActions = (ids: SampleIds): { readonly [D in ActionName]: ActionOf<D> } => ({
  'worker.pin': { do: 'worker.pin', worker: ids.worker, tier: 2 },
  'worker.drain': { do: 'worker.drain', worker: ids.worker, draining: true },
  'worker.rename': { do: 'worker.rename', worker: ids.worker, name: 'other' },
  'worker.label': { do: 'worker.label', worker: ids.worker, labels: { room: '7' } },
  'task.retry': { do: 'task.retry', task: ids.ended },
  'worker.revoke': { do: 'worker.revoke', worker: ids.worker },
  'token.create': { do: 'token.create', role: 'client', name: 'made-by-a-test' },
  'token.revoke': { do: 'token.revoke', token: ids.token },
});
