/** The consequences of an admin's action, one sentence each, shown before it is confirmed. Pure. */
import { count, whole } from '../format/number.js';

/** A worker that an action targets. */
export interface Target {
  readonly state: string;
  readonly running: number;
  readonly slots: number;
}

const isOnline = ({ state }: Target) => state === 'online' || state === 'draining';
const they = (n: number) => (n === 1 ? 'It' : 'They');

export function drainConsequences(targets: readonly Target[], requeue: boolean): string[] {
  const running = targets.reduce((sum, target) => sum + target.running, 0);
  const slots = targets.filter(isOnline).reduce((sum, target) => sum + target.slots, 0);
  const n = targets.length;
  return [
    `${they(n)} ${n === 1 ? 'gets' : 'get'} no more tasks until you resume ${n === 1 ? 'it' : 'them'}, also after a restart.`,
    running === 0
      ? `Nothing runs on ${n === 1 ? 'it' : 'them'} now.`
      : requeue
        ? `${count(running, 'running task')} ${running === 1 ? 'is' : 'are'} stopped and queued again for other workers; this does not count as a failed attempt.`
        : `${count(running, 'running task')} ${running === 1 ? 'runs' : 'run'} to the end.`,
    ...(slots > 0 ? [`The pool can run ${count(slots, 'fewer task')} at once.`] : []),
  ];
}

export function resumeConsequences(targets: readonly Target[], pausedBy?: string): string[] {
  const n = targets.length;
  const away = n - targets.filter(isOnline).length;
  const words =
    away === n
      ? `${they(n)} ${n === 1 ? 'gets' : 'get'} tasks again once ${n === 1 ? 'it is' : 'they are'} back online.`
      : `${they(n)} ${n === 1 ? 'gets' : 'get'} tasks again at once.`;
  return [
    words,
    ...(away > 0 && away < n ? [`${whole(away)} of them ${away === 1 ? 'is' : 'are'} not online now.`] : []),
    ...(pausedBy === undefined
      ? []
      : [`It is unavailable by its donor's policy (${pausedBy}): it stays idle until that changes.`]),
  ];
}

export function revokeConsequences(target: Target): string[] {
  const { running } = target;
  return [
    isOnline(target)
      ? 'Its connection is closed at once, and its credential is revoked for good.'
      : 'Its credential is revoked for good: it cannot reconnect as this worker.',
    running === 0
      ? 'Nothing runs on it now.'
      : `${count(running, 'running task')} ${running === 1 ? 'is' : 'are'} lost, and queued again for other workers.`,
    'Workloads that keep their data on it are released: the data stays on that machine and can no longer be reached.',
    'To lend the machine again its donor needs a new join token.',
  ];
}

export function pinConsequences(tier: 1 | 2 | 3 | null, target: Target): string[] {
  return [
    tier === null
      ? 'Its hardware decides its tier again.'
      : `It counts as tier ${tier}, whatever its hardware says, until you unpin it.`,
    isOnline(target)
      ? 'Workloads that fit the tier may be started on it, others stopped.'
      : 'That takes effect once it is back online.',
    target.running === 0
      ? 'Nothing runs on it now.'
      : `${count(target.running, 'running task')} ${target.running === 1 ? 'continues' : 'continue'}.`,
  ];
}

/** "Drained 12 workers", "Drained 11 workers; 1 failed: …" */
export function bulkOutcome(done: string, fine: number, failures: readonly string[]): string {
  const words = `${done} ${count(fine, 'worker')}`;
  if (failures.length === 0) return words;
  return `${words}; ${whole(failures.length)} failed: ${failures[0]}`;
}
