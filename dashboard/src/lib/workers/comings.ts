/** What happened to a worker, in plain words. */
import type { Tone } from '../ui/tone.js';

const WORDS: Readonly<Record<string, readonly [string, Tone]>> = {
  'worker.joined': ['joined the pool', 'accent'],
  'worker.online': ['came on line', 'ok'],
  'worker.offline': ['lost its connection', 'warn'],
  'worker.lost': ['was given up: its tasks were queued again', 'bad'],
  'worker.draining': ['was drained', 'warn'],
  'worker.resumed': ['was resumed', 'ok'],
  'worker.pinned': ['had its tier pinned or unpinned', 'plain'],
  'worker.renamed': ['was renamed', 'plain'],
  'worker.labelled': ['got other labels', 'plain'],
  'worker.policy': ["its donor's terms changed", 'plain'],
  'worker.revoked': ['was revoked', 'bad'],
  'worker.left': ['left the pool for good', 'bad'],
};

/** An event that this version does not know is told by its name. */
export function comingWords(event: string): { readonly words: string; readonly tone: Tone } {
  const [words, tone] = (Object.hasOwn(WORDS, event) ? WORDS[event] : undefined) ?? [event, 'plain'];
  return { words, tone };
}
