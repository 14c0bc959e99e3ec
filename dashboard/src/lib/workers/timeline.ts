/** The words of each event on a worker's timeline. Pure. */
import type { Tone } from '../ui/tone.js';

const WORDS: Readonly<Record<string, readonly [string, Tone]>> = {
  'worker.joined': ['joined the pool', 'accent'],
  'worker.online': ['came online', 'ok'],
  'worker.offline': ['lost its connection', 'warn'],
  'worker.lost': ['did not come back: its attempts were lost', 'bad'],
  'worker.draining': ['was drained', 'warn'],
  'worker.resumed': ['was resumed', 'ok'],
  'worker.pinned': ['tier pinned or unpinned', 'plain'],
  'worker.renamed': ['was renamed', 'plain'],
  'worker.labelled': ['labels changed', 'plain'],
  'worker.policy': ["availability changed by its donor's policy", 'plain'],
  'worker.revoked': ['was revoked', 'bad'],
  'worker.left': ['left the pool for good', 'bad'],
  'worker.forgotten': ['is no longer kept', 'bad'],
};

/** An unknown event (newer coordinator) is shown by its name. */
export function timelineEntry(event: string): { readonly words: string; readonly tone: Tone } {
  const [words, tone] = (Object.hasOwn(WORDS, event) ? WORDS[event] : undefined) ?? [event, 'plain'];
  return { words, tone };
}
