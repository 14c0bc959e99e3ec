/**
 * Events as sentences for people: what happened, to whom, and where to look. Pure; a sentence is a row of parts, some of
 * which lead somewhere, so that a stranger's name stays text whoever renders it.
 */
import type { EventType, PoolEvent } from '@rma/protocol/event';
import { bytes, count } from '../format/number.js';
import type { Tone } from '../ui/tone.js';

/** Plain text, or something with a name of its own: a link where `href` is given, a stranger's words where `isForeign`. */
export type Part = string | { readonly text: string; readonly href?: string; readonly isForeign?: boolean };

export interface Sentence {
  readonly parts: readonly Part[];
  /** Whether it is good or bad news; the words say it, too. */
  readonly tone: Tone;
}

/** What an event does not tell by itself. */
export interface Names {
  /** What a worker is called; undefined: not known, its id is shown. */
  worker(id: string): string | undefined;
}

export const EVENT_GROUPS = ['tasks', 'workers', 'services', 'access', 'coordinator'] as const;
export type EventGroup = (typeof EVENT_GROUPS)[number];

/** The beginnings of the types in each group, as `history` and `liveRecent` take them. */
export const GROUP_TYPES: Readonly<Record<EventGroup, readonly string[]>> = {
  tasks: ['task.'],
  workers: ['worker.'],
  services: ['service.', 'workload.'],
  access: ['token.', 'session.'],
  coordinator: ['coordinator.', 'storage.', 'catalog.'],
};

export const GROUP_NAMES: Readonly<Record<EventGroup, string>> = {
  tasks: 'Tasks',
  workers: 'Workers',
  services: 'Services',
  access: 'Access',
  coordinator: 'Coordinator',
};

/** Undefined for a type that this version does not know the group of. */
export function groupOf(type: string): EventGroup | undefined {
  return EVENT_GROUPS.find((group) => GROUP_TYPES[group].some((start) => type.startsWith(start)));
}

/** The events' fields as a sentence needs them, whatever is or is not in them. */
class Told {
  readonly #event: PoolEvent;
  readonly #names: Names;

  constructor(event: PoolEvent, names: Names) {
    this.#event = event;
    this.#names = names;
  }

  text(field: string): string | undefined {
    const value = this.#event.data?.[field];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  number(field: string): number | undefined {
    const value = this.#event.data?.[field];
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  }

  list(field: string): readonly string[] {
    const value = this.#event.data?.[field];
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
  }

  is(field: string): boolean {
    return this.#event.data?.[field] === true;
  }

  /** A stranger's words of this field, or what stands for them. */
  foreign(field: string, otherwise: string): Part {
    const text = this.text(field);
    return text === undefined ? otherwise : { text, isForeign: true };
  }

  /** The task that it is about, or that a field names. */
  task(id = this.#event.subject): Part {
    return id === undefined ? 'a task' : { text: `task ${shortId(id)}`, href: `/tasks/${encodeURIComponent(id)}` };
  }

  /** The worker that it is about, or that a field names. */
  worker(id = this.#event.subject): Part {
    if (id === undefined) return 'a worker';
    const name = this.#names.worker(id) ?? this.text('name') ?? id;
    return { text: name, href: `/workers/${encodeURIComponent(id)}`, isForeign: true };
  }

  /** " on w-3", or nothing. */
  onWorker(): readonly Part[] {
    const id = this.text('worker');
    return id === undefined ? [] : [' on ', this.worker(id)];
  }

  /** " by ada", or nothing. */
  by(): readonly Part[] {
    const by = this.text('by');
    return by === undefined || by === 'worker' ? [] : [' by ', { text: by, isForeign: true }];
  }

  /** ": reason", or nothing. */
  because(field = 'reason'): readonly Part[] {
    const reason = this.text(field);
    return reason === undefined ? [] : [': ', { text: reason, isForeign: true }];
  }

  token(): Part {
    return { text: 'token', href: '/access' };
  }

  get labels(): string {
    const labels = this.#event.data?.labels;
    if (typeof labels !== 'object' || labels === null) return '';
    return Object.entries(labels)
      .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
      .join(', ');
  }
}

/** Ids are UUIDv7, which begin with the time: their end tells them apart. */
export function shortId(id: string): string {
  return id.length > 12 ? `…${id.slice(-8)}` : id;
}

const tierWords = (tier: number | undefined): string =>
  tier === undefined || tier === 0 ? 'without a tier' : `tier ${tier}`;

const attemptWords = (attempt: number | undefined): string =>
  attempt === undefined || attempt <= 1 ? '' : ` (attempt ${attempt})`;

type Teller = (told: Told) => readonly Part[];

const SENTENCES: Readonly<Record<EventType, Teller>> = {
  'coordinator.started': (t) => {
    const version = t.text('version');
    return [version === undefined ? 'The coordinator started' : `The coordinator started, version ${version}`];
  },
  'coordinator.stopped': () => ['The coordinator stopped in order'],
  'worker.joined': (t) => [t.worker(), ` joined the pool as ${tierWords(t.number('tier'))}`, ...ownerOf(t)],
  'worker.online': (t) => [t.worker(), ' is online'],
  'worker.offline': (t) => [t.worker(), ' went offline', ...t.because()],
  'worker.lost': (t) => {
    const attempts = t.number('attempts') ?? 0;
    const given = attempts === 0 ? ', nothing ran on it' : `, ${count(attempts, 'task')} went back to the queue`;
    return [t.worker(), ` did not come back${given}`];
  },
  'worker.assigned': (t) => {
    const workloads = t.list('workloads');
    const tier = t.number('tier');
    const what = workloads.length === 0 ? 'nothing to run' : list(workloads);
    return [t.worker(), ` is ${tierWords(tier)} and was given `, what];
  },
  'worker.draining': (t) => [t.worker(), ' was drained', ...drainedBy(t), ': it takes no new tasks'],
  'worker.pinned': (t) => {
    const tier = t.number('tier');
    return tier === undefined
      ? [t.worker(), ' gets its tier from its hardware again', ...t.by()]
      : [t.worker(), ` was pinned to tier ${tier}`, ...t.by()];
  },
  'worker.revoked': (t) => [t.worker(), ' was revoked', ...t.by()],
  'service.changed': (t) => [
    t.foreign('service', 'A service'),
    ' on ',
    t.worker(),
    ` is ${t.text('state') ?? 'in another state'}`,
    ...t.because(),
  ],
  'task.submitted': (t) => [`${article(t.text('kind') ?? '')} `, kindOf(t), ' task was submitted: ', t.task()],
  'task.dispatched': (t) => [capital(t.task()), ' started', ...t.onWorker(), attemptWords(t.number('attempt'))],
  'task.requeued': (t) => [capital(t.task()), ' waits again, its attempt', ...t.onWorker(), ' ', ended(t)],
  'task.ended': (t) => {
    const state = t.text('state') ?? 'ended';
    const words = state === 'cancelled' ? 'was cancelled' : state;
    return [capital(t.task()), ` ${words}`, ...t.onWorker(), ...t.because('code')];
  },
  'token.created': (t) => [...roleOf(t), t.token(), ' was made for ', t.foreign('name', 'somebody'), ...t.by()],
  'token.revoked': (t) => ['A ', t.token(), ' was revoked', ...t.by()],
  'storage.full': () => ["The coordinator's disk is full: new tasks are refused"],
  'storage.recovered': () => ['The coordinator has room on its disk again'],
  'worker.left': (t) => [t.worker(), ' left the pool for good, as its donor asked'],
  'service.pulling': (t) => {
    const got = t.number('bytes') ?? 0;
    const total = t.number('totalBytes');
    const much = total === undefined ? bytes(got) : `${bytes(got)} of ${bytes(total)}`;
    return [t.worker(), ' pulls the image of ', t.foreign('service', 'a service'), `: ${much}`];
  },
  'worker.policy': (t) =>
    t.is('paused')
      ? ['The donor of ', t.worker(), ' paused it', ...t.because()]
      : ['The donor of ', t.worker(), ' lends it again'],
  'workload.bound': (t) => [t.foreign('workload', 'A workload'), ' keeps its data on ', t.worker(), ' from now on'],
  'workload.released': (t) => [
    t.foreign('workload', 'A workload'),
    ' is no longer bound to ',
    t.worker(),
    ...t.because(),
  ],
  'catalog.changed': (t) => [{ text: 'Another catalogue', href: '/workloads' }, ` is in force, with ${workloadsOf(t)}`],
  'catalog.refused': (t) => [
    'A changed ',
    { text: 'catalogue', href: '/workloads' },
    ' has mistakes and was not taken',
    ...t.because('message'),
  ],
  'worker.resumed': (t) => [t.worker(), ' was resumed', ...t.by(), ': it takes tasks again'],
  'worker.renamed': (t) => [t.foreign('before', 'A worker'), ' is now called ', t.worker(), ...t.by()],
  'worker.labelled': (t) =>
    t.labels === ''
      ? ['The labels of ', t.worker(), ' were taken away', ...t.by()]
      : [t.worker(), ' was labelled ', { text: t.labels, isForeign: true }, ...t.by()],
  'task.cancelled': (t) => [capital(t.task()), ' was cancelled', ...byAdmin(t)],
  'task.retried': (t) => [capital(t.task()), ' was submitted again as ', t.task(t.text('as')), ...byAdmin(t)],
  'session.opened': (t) => [t.foreign('by', 'Somebody'), ` signed in${asRole(t)}`],
  'session.closed': (t) => [t.foreign('by', 'Somebody'), ` signed out${asRole(t)}`],
};

const TONES: Readonly<Partial<Record<EventType, Tone>>> = {
  'worker.joined': 'ok',
  'worker.online': 'ok',
  'worker.resumed': 'ok',
  'worker.offline': 'warn',
  'worker.draining': 'warn',
  'worker.policy': 'info',
  'worker.lost': 'bad',
  'worker.revoked': 'bad',
  'worker.left': 'warn',
  'task.requeued': 'warn',
  'task.dispatched': 'accent',
  'task.submitted': 'info',
  'storage.full': 'bad',
  'storage.recovered': 'ok',
  'catalog.refused': 'bad',
  'coordinator.started': 'ok',
  'coordinator.stopped': 'warn',
  'token.revoked': 'warn',
};
const STATE_TONES = new Map<string, Tone>([
  ['succeeded', 'ok'],
  ['failed', 'bad'],
  ['expired', 'bad'],
  ['healthy', 'ok'],
  ['unhealthy', 'bad'],
]);

/** What a task's `code`, a worker's word, means to people; one that is not here is shown as it is. */
const CODES = new Map([
  ['lost', 'was lost with its worker'],
  ['timeout', 'took too long'],
  ['refused', 'was refused by the worker'],
]);

const NOBODY: Names = { worker: () => undefined };

/** The event in plain English, without a full stop. A type that this version does not know is told by its name. */
export function sentenceOf(event: PoolEvent, names: Names = NOBODY): Sentence {
  const isKnown = Object.hasOwn(SENTENCES, event.type);
  const teller = isKnown ? SENTENCES[event.type as EventType] : unknownType(event);
  const parts = joined(teller(new Told(event, names)));
  if (isKnown && typeof parts[0] === 'string') parts[0] = capital(parts[0]);
  return { parts, tone: toneOf(event) };
}

/** The sentence as text alone, for titles, exports and screen readers. */
export function plainSentence(event: PoolEvent, names: Names = NOBODY): string {
  return sentenceOf(event, names)
    .parts.map((part) => (typeof part === 'string' ? part : part.text))
    .join('');
}

function toneOf({ type, data }: PoolEvent): Tone {
  if (type === 'task.ended' || type === 'service.changed') return STATE_TONES.get(String(data?.state)) ?? 'plain';
  if (!Object.hasOwn(TONES, type)) return 'plain';
  return TONES[type as EventType] ?? 'plain';
}

function unknownType({ type, subject }: PoolEvent): Teller {
  return () => (subject === undefined ? [type] : [`${type}: `, { text: subject, isForeign: true }]);
}

/** Neighbouring texts as one, empty ones left out. */
function joined(parts: readonly Part[]): Part[] {
  const whole: Part[] = [];
  for (const part of parts) {
    const last = whole.at(-1);
    if (part === '') continue;
    if (typeof part === 'string' && typeof last === 'string') whole[whole.length - 1] = last + part;
    else whole.push(part);
  }
  return whole;
}

/** A part that begins the sentence. */
function capital(part: Part): Part {
  const upper = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
  return typeof part === 'string' ? upper(part) : { ...part, text: upper(part.text) };
}

function kindOf(t: Told): Part {
  const kind = t.text('kind');
  return kind === undefined ? 'new' : { text: kind, href: `/tasks?kind=${encodeURIComponent(kind)}`, isForeign: true };
}

function ended(t: Told): string {
  const code = t.text('code');
  return code === undefined ? 'ended without a result' : (CODES.get(code) ?? `ended with ${code}`);
}

function ownerOf(t: Told): readonly Part[] {
  const owner = t.text('owner');
  return owner === undefined ? [] : [', lent by ', { text: owner, isForeign: true }];
}

function drainedBy(t: Told): readonly Part[] {
  return t.text('by') === 'worker' ? [' by its own agent'] : t.by();
}

/** Who acted for the task's owner. A client is not told who. */
function byAdmin(t: Told): readonly Part[] {
  const by = t.by();
  return by.length > 0 ? by : [' by an admin'];
}

function article(word: string): string {
  return /^[aeiou]/.test(word) ? 'An' : 'A';
}

/** "An admin " */
function roleOf(t: Told): readonly Part[] {
  const role = t.text('role');
  return role === undefined ? ['A '] : [`${article(role)} ${role} `];
}

function asRole(t: Told): string {
  const role = t.text('role');
  return role === undefined ? '' : ` as ${role === 'admin' ? 'an admin' : `a ${role}`}`;
}

function workloadsOf(t: Told): string {
  const number = t.number('workloads') ?? t.list('workloads').length;
  return count(number, 'workload');
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
