/** Which role may send what. This table is the whole of it: what is not here is `forbidden`. */
import type { Role } from './down.js';
import type { TopicName } from './topic.js';
import type { Action, Query, UpType } from './up.js';

/** A first join's session has the role `worker` from `welcome` on; `join` is who says hello without a machine, to watch who comes. */
export const MESSAGE_ROLES: Readonly<Record<UpType, readonly Role[]>> = {
  hello: ['admin', 'client', 'join', 'worker'],
  heartbeat: ['admin', 'client', 'join', 'worker'],
  submit: ['admin', 'client'],
  watch: ['admin', 'client'],
  unwatch: ['admin', 'client'],
  cancel: ['admin', 'client'],
  query: ['admin', 'client'],
  subscribe: ['admin', 'client', 'join'],
  unsubscribe: ['admin', 'client', 'join'],
  act: ['admin'],
  services: ['worker'],
  sample: ['worker'],
  drain: ['worker'],
  policy: ['worker'],
  leave: ['worker'],
  'log.lines': ['worker'],
  progress: ['worker'],
  chunks: ['worker'],
  results: ['worker'],
  'blob.put': ['admin', 'client', 'worker'],
  'blob.get': ['admin', 'client', 'worker'],
  'stream.credit': ['admin', 'client', 'worker'],
  'stream.end': ['admin', 'client', 'worker'],
  'stream.abort': ['admin', 'client', 'worker'],
};

export const QUERY_ROLES: Readonly<Record<Query['what'], readonly Role[]>> = {
  tasks: ['admin', 'client'],
  task: ['admin', 'client'],
  workers: ['admin', 'client'],
  stats: ['admin', 'client'],
  tokens: ['admin'],
  events: ['admin', 'client'],
  log: ['admin'],
  placement: ['admin'],
  catalog: ['admin', 'client'],
  history: ['admin', 'client'],
  audit: ['admin'],
  input: ['admin', 'client'],
};

export const TOPIC_ROLES: Readonly<Record<TopicName, readonly Role[]>> = {
  events: ['admin', 'client'],
  overview: ['admin', 'client'],
  workers: ['admin', 'client'],
  worker: ['admin', 'client'],
  tasks: ['admin', 'client'],
  join: ['admin', 'join'],
  recent: ['admin', 'client'],
};

export const ACTION_ROLES: Readonly<Record<Action['do'], readonly Role[]>> = {
  'worker.pin': ['admin'],
  'worker.drain': ['admin'],
  'worker.revoke': ['admin'],
  'worker.rename': ['admin'],
  'worker.label': ['admin'],
  'task.retry': ['admin'],
  'token.create': ['admin'],
  'token.revoke': ['admin'],
};
