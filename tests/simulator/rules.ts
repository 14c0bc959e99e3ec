/**
 * What a simulation can find, by name. A rule in `KNOWN` is broken by the present core: it is counted and does not end a run.
 * The list must become empty: take a rule out with the change that cures it, and from then on it ends a run like all others.
 */

export const RULES = {
  'accepted before the commit': 'an accepted task is on disk',
  'acknowledged before the commit': 'an acknowledged result is on disk, or no longer wanted',
  'attempt dispatched twice': 'attempts of a task are numbered from 1, each dispatched once',
  'dispatch before the commit': 'a dispatched attempt is on disk, with its worker',
  'dispatch to the wrong worker':
    'a worker gets what it serves and what the constraints admit, and nothing while it drains',
  'end changed': 'a task ends once, and its end never changes',
  'end told wrongly': 'a watched task ends once in each session that watches it, as it is on disk',
  'foreign result': 'the accepted output was made by the worker of the latest attempt',
  'lost on the way': 'a loss is counted when an attempt is superseded, not while its worker still runs it',
  'memory beyond its bound': 'what the core holds is bounded by its windows, what runs and who is connected',
  'not at rest': 'after all has ended every map is as it was before',
  'out of slots': 'no service gets more attempts than its slots, as its worker counts them',
  'out of slots after a restart':
    'the same, where two services of a worker serve one kind and the coordinator was restarted',
  'out of slots after a verdict': 'the same, while an attempt runs on that a verdict stopped',
  'poison without losses': 'a task ends as poison after MAX_LOST of its attempts were lost',
  'priority inverted': 'in a lane the higher priority starts first, then the earlier arrival',
  'priority inverted between lanes': 'what a worker gets has no lower priority than what it could have got instead',
  'resent and timed out': 'a result that a verdict asked for is taken, though the deadline has passed meanwhile',
  'runs again after pruning': 'an id runs once, also after its task was pruned',
  'sink-hole': 'a worker where an attempt failed is the last to get the next one',
  'task lost': 'every accepted task ends',
  'tokens pile up': 'a join leaves one credential for each worker',
  'waits beside an idle worker': 'no task waits while a worker that may run it has a free slot',
  'wrong verdict': 'a verdict names what hello named, and keeps only what runs or ended',
} as const;

export type Rule = keyof typeof RULES;

export const KNOWN: ReadonlySet<Rule> = new Set<Rule>([
  'priority inverted between lanes',
  // Where somebody sets the coordinator's clock back by more than ids may be ahead.
  'runs again after pruning',
  'sink-hole',
  'tokens pile up',
]);

export class Violation extends Error {
  constructor(
    readonly rule: Rule,
    message: string,
  ) {
    super(`${rule}: ${message} (${RULES[rule]})`);
    this.name = 'Violation';
  }
}

/** Counts what breaks a known rule, and throws what breaks any other. */
export class Judge {
  readonly #known: ReadonlySet<Rule>;
  readonly counted = new Map<Rule, { count: number; first: string }>();

  constructor(known: ReadonlySet<Rule>) {
    this.#known = known;
  }

  /** @throws Violation unless the rule is known to be broken */
  broken(rule: Rule, message: string): void {
    if (!this.#known.has(rule)) throw new Violation(rule, message);
    const counted = this.counted.get(rule);
    if (counted) counted.count++;
    else this.counted.set(rule, { count: 1, first: message });
  }
}
