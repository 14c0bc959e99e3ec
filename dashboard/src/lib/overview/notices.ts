/** The link of a notice. Pure. */
import type { Notice } from '@rma/client';

export function noticeHref({ fact, subject }: Notice): string | undefined {
  switch (fact) {
    case 'tier.unserved':
      return subject === undefined ? '/workers' : `/workers?tier=${encodeURIComponent(subject)}`;
    case 'kind.unserved':
    case 'queue.old':
      return subject === undefined ? '/tasks?state=queued' : `/tasks?state=queued&kind=${encodeURIComponent(subject)}`;
    case 'failures.high':
      return '/tasks?state=failed';
    case 'worker.flapping':
      return subject === undefined ? '/workers' : `/workers/${encodeURIComponent(subject)}`;
    default:
      return undefined;
  }
}

const LINK_NAMES: Readonly<Record<string, string>> = {
  'tier.unserved': 'Show its workers',
  'kind.unserved': 'Show waiting tasks',
  'queue.old': 'Show waiting tasks',
  'failures.high': 'Show failed tasks',
  'worker.flapping': 'Show the worker',
};

export function noticeLinkName({ fact }: Notice): string {
  return LINK_NAMES[fact] ?? 'Show more';
}
