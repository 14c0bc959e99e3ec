/** The tone of each state: one table for workers, tasks and services. */
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

/** The tone of a state; plain for an unknown one (newer coordinator). */
export function toneOf(state: string): Tone {
  return TONES[state] ?? 'plain';
}
