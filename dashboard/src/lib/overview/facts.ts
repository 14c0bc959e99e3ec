/** Where to look for what a fact is about. Pure. */
import type { Notice } from '@rma/client';

export function factHref({ fact, subject }: Notice): string | undefined {
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
  'tier.unserved': 'See its workers',
  'kind.unserved': 'See what waits',
  'queue.old': 'See what waits',
  'failures.high': 'See what failed',
  'worker.flapping': 'See the worker',
};

export function factLinkName({ fact }: Notice): string {
  return LINK_NAMES[fact] ?? 'See more';
}
