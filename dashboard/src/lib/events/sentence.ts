/**
 * Turns events into English sentences. Pure. A sentence is a list of parts, some with links; untrusted text is a part
 * of its own, so that no renderer can take it for markup.
 */
import type { EventType, PoolEvent } from '@rma/protocol/event';
import { bytes, count } from '../format/number.js';
import type { Tone } from '../ui/tone.js';

/** Plain text, or a part with a link (`href`) or with untrusted text (`isForeign`). */
export type Part = string | { readonly text: string; readonly href?: string; readonly isForeign?: boolean };

export interface Sentence {
  readonly parts: readonly Part[];
  /** Good or bad news; the words say so, too. */
  readonly tone: Tone;
}

/** Names that are not in the event. */
export interface Names {
  /** The name of a worker; undefined: unknown, its id is shown. */
  worker(id: string): string | undefined;
}

export const EVENT_GROUPS = ['tasks', 'workers', 'services', 'access', 'coordinator'] as const;
export type EventGroup = (typeof EVENT_GROUPS)[number];

/** The type prefixes of each group, as `history` and `liveRecent` take them. */
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

/** Undefined for a type of a newer coordinator. */
export function groupOf(type: string): EventGroup | undefined {
  return EVENT_GROUPS.find((group) => GROUP_TYPES[group].some((start) => type.startsWith(start)));
}

/** Typed access to an event's data, tolerant of missing and malformed fields. */
class EventFields {
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

  /** The untrusted text of a field, or a substitute. */
  foreign(field: string, otherwise: string): Part {
    const text = this.text(field);
    return text === undefined ? otherwise : { text, isForeign: true };
  }

  /** The event's task, or another by its id. */
  task(id = this.#event.subject): Part {
    return id === undefined ? 'a task' : { text: `task ${shortId(id)}`, href: `/tasks/${encodeURIComponent(id)}` };
  }

  /** The event's worker, or another by its id. */
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

/** The end of an id: UUIDv7s begin with the time, so only their ends differ visibly. */
export function shortId(id: string): string {
  return id.length > 12 ? `…${id.slice(-8)}` : id;
}

const tierWords = (tier: number | undefined): string => (tier === undefined || tier === 0 ? 'no tier' : `tier ${tier}`);

const attemptWords = (attempt: number | undefined): string =>
  attempt === undefined || attempt <= 1 ? '' : ` (attempt ${attempt})`;

type Phrase = (fields: EventFields) => readonly Part[];

const SENTENCES: Readonly<Record<EventType, Phrase>> = {
  'coordinator.started': (t) => {
    const version = t.text('version');
    return [version === undefined ? 'The coordinator started' : `The coordinator started, version ${version}`];
  },
  'coordinator.stopped': () => ['The coordinator shut down cleanly'],
  'worker.joined': (t) => [t.worker(), ` joined the pool (${tierWords(t.number('tier'))})`, ...ownerOf(t)],
  'worker.online': (t) => [t.worker(), ' is online'],
  'worker.offline': (t) => [t.worker(), ' went offline', ...t.because()],
  'worker.lost': (t) => {
    const attempts = t.number('attempts') ?? 0;
    const given = attempts === 0 ? 'nothing ran on it' : `${count(attempts, 'attempt')} lost`;
    return [t.worker(), ` did not come back: ${given}`];
  },
  'worker.assigned': (t) => {
    const workloads = t.list('workloads');
    const tier = t.number('tier');
    const what = workloads.length === 0 ? 'no workloads' : list(workloads);
    return [t.worker(), ' was assigned ', what, ` (${tierWords(tier)})`];
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
  'task.requeued': (t) => [capital(t.task()), ' was queued again: its attempt', ...t.onWorker(), ' ', ended(t)],
  'task.ended': (t) => {
    const state = t.text('state') ?? 'ended';
    const words = state === 'cancelled' ? 'was cancelled' : state;
    return [capital(t.task()), ` ${words}`, ...t.onWorker(), ...t.because('code')];
  },
  'token.created': (t) => [...roleOf(t), t.token(), ' was created for ', t.foreign('name', 'somebody'), ...t.by()],
  'token.revoked': (t) => ['A ', t.token(), ' was revoked', ...t.by()],
  'storage.full': () => ["The coordinator's disk is full: new tasks are refused"],
  'storage.recovered': () => ['The coordinator has room on its disk again'],
  'worker.left': (t) => [t.worker(), ' left the pool for good, as its donor asked'],
  'worker.forgotten': (t) => [t.worker(), ' is no longer kept', ...t.because()],
  'service.pulling': (t) => {
    const got = t.number('bytes') ?? 0;
    const total = t.number('totalBytes');
    const much = total === undefined ? bytes(got) : `${bytes(got)} of ${bytes(total)}`;
    return [t.worker(), ' pulls the image of ', t.foreign('service', 'a service'), `: ${much}`];
  },
  'worker.policy': (t) =>
    t.is('paused')
      ? [t.worker(), " is unavailable by its donor's policy", ...t.because()]
      : [t.worker(), " is available again by its donor's policy"],
  'workload.bound': (t) => [t.foreign('workload', 'A workload'), ' keeps its data on ', t.worker(), ' from now on'],
  'workload.released': (t) => [
    t.foreign('workload', 'A workload'),
    ' is no longer bound to ',
    t.worker(),
    ...t.because(),
  ],
  'catalog.changed': (t) => [{ text: 'A new catalogue', href: '/workloads' }, ` is in use, with ${workloadsOf(t)}`],
  'catalog.refused': (t) => [
    'A changed ',
    { text: 'catalogue', href: '/workloads' },
    ' has errors and was rejected',
    ...t.because('message'),
  ],
  'worker.resumed': (t) => [t.worker(), ' was resumed', ...t.by(), ': it takes tasks again'],
  'worker.renamed': (t) => [t.foreign('before', 'A worker'), ' is now called ', t.worker(), ...t.by()],
  'worker.labelled': (t) =>
    t.labels === ''
      ? ['The labels of ', t.worker(), ' were removed', ...t.by()]
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

/** Words for common error codes of an attempt; workers choose the codes, so any other is shown as it is. */
const CODES = new Map([
  ['lost', 'was lost with its worker'],
  ['timeout', 'took too long'],
  ['refused', 'was refused by the worker'],
]);

const NOBODY: Names = { worker: () => undefined };

/** The event in English, without a full stop. An unknown type (newer coordinator) is shown by its name. */
export function sentenceOf(event: PoolEvent, names: Names = NOBODY): Sentence {
  const isKnown = Object.hasOwn(SENTENCES, event.type);
  const phrase = isKnown ? SENTENCES[event.type as EventType] : unknownType(event);
  const parts = joined(phrase(new EventFields(event, names)));
  if (isKnown && typeof parts[0] === 'string') parts[0] = capital(parts[0]);
  return { parts, tone: toneOf(event) };
}

/** The sentence as plain text, for titles, search and screen readers. */
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

function unknownType({ type, subject }: PoolEvent): Phrase {
  return () => (subject === undefined ? [type] : [`${type}: `, { text: subject, isForeign: true }]);
}

/** Merges adjacent texts and drops empty ones. */
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

/** Capitalises the first letter. */
function capital(part: Part): Part {
  const upper = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
  return typeof part === 'string' ? upper(part) : { ...part, text: upper(part.text) };
}

function kindOf(t: EventFields): Part {
  const kind = t.text('kind');
  return kind === undefined ? 'new' : { text: kind, href: `/tasks?kind=${encodeURIComponent(kind)}`, isForeign: true };
}

function ended(t: EventFields): string {
  const code = t.text('code');
  return code === undefined ? 'ended without a result' : (CODES.get(code) ?? `ended with ${code}`);
}

function ownerOf(t: EventFields): readonly Part[] {
  const owner = t.text('owner');
  return owner === undefined ? [] : [', lent by ', { text: owner, isForeign: true }];
}

function drainedBy(t: EventFields): readonly Part[] {
  return t.text('by') === 'worker' ? [' by its own agent'] : t.by();
}

/** Who acted on another owner's task; clients only see that it was an admin. */
function byAdmin(t: EventFields): readonly Part[] {
  const by = t.by();
  return by.length > 0 ? by : [' by an admin'];
}

function article(word: string): string {
  return /^[aeiou]/.test(word) ? 'An' : 'A';
}

/** "An admin " */
function roleOf(t: EventFields): readonly Part[] {
  const role = t.text('role');
  return role === undefined ? ['A '] : [`${article(role)} ${role} `];
}

function asRole(t: EventFields): string {
  const role = t.text('role');
  return role === undefined ? '' : ` as ${role === 'admin' ? 'an admin' : `a ${role}`}`;
}

function workloadsOf(t: EventFields): string {
  const number = t.number('workloads') ?? t.list('workloads').length;
  return count(number, 'workload');
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
