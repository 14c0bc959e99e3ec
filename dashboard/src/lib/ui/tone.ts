/** How states look: one table for workers, tasks and services. */
export type Tone = 'plain' | 'ok' | 'warn' | 'bad' | 'info' | 'accent';

const TONES: Readonly<Record<string, Tone>> = {
  // workers
  online: 'ok',
  draining: 'warn',
  away: 'warn',
  offline: 'plain',
  revoked: 'bad',
  // tasks
  queued: 'info',
  scheduled: 'info',
  blocked: 'warn',
  running: 'accent',
  succeeded: 'ok',
  failed: 'bad',
  cancelled: 'plain',
  expired: 'bad',
  // services
  healthy: 'ok',
  starting: 'info',
  pulling: 'info',
  pending: 'info',
  unhealthy: 'bad',
  stopped: 'plain',
};

/** Of a state of a worker, task or service. A state that this version does not know is plain. */
export function toneOf(state: string): Tone {
  return TONES[state] ?? 'plain';
}
