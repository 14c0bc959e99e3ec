/** What an admin's action will do, in plain words with numbers, before it is done. One sentence each. */
import { count, whole } from '../format/number.js';

/** What the sentences need to know of the workers that an action is about. */
export interface Subject {
  readonly state: string;
  readonly running: number;
  readonly slots: number;
}

const isHere = ({ state }: Subject) => state === 'online' || state === 'draining';
const they = (n: number) => (n === 1 ? 'It' : 'They');

export function drainConsequences(subjects: readonly Subject[], requeue: boolean): string[] {
  const running = subjects.reduce((sum, subject) => sum + subject.running, 0);
  const slots = subjects.filter(isHere).reduce((sum, subject) => sum + subject.slots, 0);
  const n = subjects.length;
  return [
    `${they(n)} ${n === 1 ? 'gets' : 'get'} no more tasks until you resume ${n === 1 ? 'it' : 'them'}, also after a restart.`,
    running === 0
      ? `Nothing runs on ${n === 1 ? 'it' : 'them'} now.`
      : requeue
        ? `${count(running, 'running task')} ${running === 1 ? 'is' : 'are'} stopped and queued again for other workers; it costs ${running === 1 ? 'it' : 'them'} no attempt.`
        : `${count(running, 'running task')} ${running === 1 ? 'goes' : 'go'} on to the end.`,
    ...(slots > 0 ? [`The pool can run ${count(slots, 'task')} fewer at once.`] : []),
  ];
}

export function resumeConsequences(subjects: readonly Subject[], pausedBy?: string): string[] {
  const n = subjects.length;
  const away = n - subjects.filter(isHere).length;
  const words =
    away === n
      ? `${they(n)} ${n === 1 ? 'gets' : 'get'} tasks again once ${n === 1 ? 'it is' : 'they are'} back on line.`
      : `${they(n)} ${n === 1 ? 'gets' : 'get'} tasks again at once.`;
  return [
    words,
    ...(away > 0 && away < n ? [`${whole(away)} of them ${away === 1 ? 'is' : 'are'} not on line now.`] : []),
    ...(pausedBy === undefined
      ? []
      : [`Its donor does not lend it now (${pausedBy}): it stays idle until the donor lets it work.`]),
  ];
}

export function revokeConsequences(subject: Subject): string[] {
  const { running } = subject;
  return [
    isHere(subject)
      ? 'Its connection is closed at once and its credential ends, for good.'
      : 'Its credential ends, for good: it cannot come back under this identity.',
    running === 0
      ? 'Nothing runs on it now.'
      : `${count(running, 'running task')} ${running === 1 ? 'is' : 'are'} lost and queued again for other workers.`,
    'Workloads with state that live on it are let go: their data stays on that machine and is not reachable any more.',
    'To lend the machine again its donor needs a new join token.',
  ];
}

export function pinConsequences(tier: 1 | 2 | 3 | null, subject: Subject): string[] {
  return [
    tier === null
      ? 'Its hardware decides its tier again.'
      : `It counts as tier ${tier}, whatever its hardware says, until you unpin it.`,
    isHere(subject)
      ? 'Workloads that fit the tier may be started on it, others stopped.'
      : 'That takes effect once it is back on line.',
    subject.running === 0
      ? 'Nothing runs on it now.'
      : `${count(subject.running, 'running task')} ${subject.running === 1 ? 'goes' : 'go'} on.`,
  ];
}

/** "Drained 12 workers", "Drained 11 workers; 1 failed: …" */
export function bulkOutcome(done: string, fine: number, failures: readonly string[]): string {
  const words = `${done} ${count(fine, 'worker')}`;
  if (failures.length === 0) return words;
  return `${words}; ${whole(failures.length)} failed: ${failures[0]}`;
}
