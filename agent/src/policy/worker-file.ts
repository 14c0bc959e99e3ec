/** `worker.yaml`: a worker's settings and its donor's policy. Parsing is pure. */
import { Check } from '@rma/protocol/check';
import { Kind, Labels, Name } from '@rma/protocol/task';
import { DAYS, type Day, isTimeZone, localTimeZone, type Window } from './schedule.js';
import { type Complaint, type MapReader, readYaml } from './yaml-reader.js';

export interface Caps {
  readonly cores?: number | undefined;
  readonly memoryMiB?: number | undefined;
  readonly vramMiB?: number | undefined;
  readonly diskMiB?: number | undefined;
  readonly gpuTemperatureC?: number | undefined;
  readonly bandwidthKiBps?: number | undefined;
}

/** A list that is present admits only what it names; an absent one admits everything. */
export interface AllowLists {
  readonly workloads?: readonly string[] | undefined;
  readonly kinds?: readonly string[] | undefined;
  /** Images of services; for those of tasks see `JobPolicy`. */
  readonly images?: readonly string[] | undefined;
}

/** What tasks of kind `container.run` may run. */
export interface JobPolicy {
  /** Patterns of their images; none: the kind is not offered. */
  readonly images: readonly string[];
}

/** What the donor allows: when, how much, what. */
export interface Policy {
  readonly windows: readonly Window[];
  readonly timeZone: string;
  /** Available only when nobody has used the machine for so long. */
  readonly idleMinutes: number | undefined;
  /** What running tasks do when the machine becomes unavailable: end within the grace, or go back to the queue at once. */
  readonly whenClosed: 'finish' | 'return';
  readonly graceMinutes: number;
  readonly caps: Caps;
  readonly allow: AllowLists;
  readonly jobs: JobPolicy;
}

/** What flags can set, too; flags win. */
export interface WorkerSettings {
  readonly url?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly name?: string | undefined;
  readonly labels?: Record<string, string> | undefined;
}

export interface WorkerFile {
  readonly settings: WorkerSettings;
  readonly policy: Policy;
}

export type ParsedWorkerFile =
  | { readonly ok: true; readonly file: WorkerFile }
  | { readonly ok: false; readonly complaints: readonly Complaint[] };

const DEFAULT_IDLE_MINUTES = 10;
const DEFAULT_GRACE_MINUTES = 15;
const MAX_GRACE_MINUTES = 24 * 60;

export function defaultPolicy(): Policy {
  return {
    windows: [],
    timeZone: localTimeZone(),
    idleMinutes: undefined,
    whenClosed: 'finish',
    graceMinutes: DEFAULT_GRACE_MINUTES,
    caps: {},
    allow: {},
    jobs: { images: [] },
  };
}

export function parseWorkerFile(text: string): ParsedWorkerFile {
  const { map, complaints } = readYaml(text);
  if (map === undefined) return { ok: false, complaints };
  const settings = readSettings(map);
  const policy: Policy = {
    ...readSchedule(map),
    idleMinutes: readIdle(map),
    whenClosed:
      map.text('whenClosed', 'write finish (running tasks may end) or return (other workers do them)', isWhenClosed) ===
      'return'
        ? 'return'
        : 'finish',
    graceMinutes:
      map.number(
        'graceMinutes',
        `write a number of minutes from 0 to ${MAX_GRACE_MINUTES}`,
        within(0, MAX_GRACE_MINUTES),
      ) ?? DEFAULT_GRACE_MINUTES,
    caps: readCaps(map),
    allow: readAllow(map),
    jobs: readJobs(map),
  };
  map.end('worker.yaml');
  return complaints.length === 0 ? { ok: true, file: { settings, policy } } : { ok: false, complaints };
}

/** A line per complaint, in the format that editors and terminals link: `FILE:LINE:COLUMN: what to write`. */
export function complaintLines(path: string, complaints: readonly Complaint[]): string[] {
  return [...complaints]
    .sort((a, b) => a.line - b.line || a.column - b.column)
    .map(({ line, column, message }) => `${path}:${line}:${column}: ${message}`);
}

function readSettings(map: MapReader): WorkerSettings {
  const labels = map
    .map('labels', 'write one `key: value` a line below it')
    ?.entries('a key has up to 63 letters, digits and . _ / -, a value up to 128 characters', (key, value) =>
      passes(labelCheck, { [key]: value }),
    );
  return {
    url: map.text('url', 'write the address of the coordinator, such as https://pool.example.org', (text) =>
      /^(https?|wss?):\/\//.test(text),
    ),
    tokenFile: map.text('tokenFile', 'write the path of a file that holds a join token'),
    name: map.text('name', 'write a name of at most 128 characters', (text) => passes(nameCheck, text)),
    ...(labels === undefined ? {} : { labels }),
  };
}

function readSchedule(map: MapReader): { windows: readonly Window[]; timeZone: string } {
  const schedule = map.map('schedule', 'write timeZone and windows below it');
  if (schedule === undefined) return { windows: [], timeZone: localTimeZone() };
  const timeZone =
    schedule.text('timeZone', 'write an IANA time zone, such as Europe/London or America/New_York', isTimeZone) ??
    localTimeZone();
  const windows = (schedule.maps('windows', 'write `- days: [mon, tue]`, then from and to below it') ?? []).flatMap(
    readWindow,
  );
  if (windows.length > 32) schedule.complain('windows', 'at most 32 windows');
  schedule.end('schedule');
  return { windows, timeZone };
}

function readWindow(map: MapReader): Window[] {
  const words = map.texts(
    'days',
    `write some of ${DAYS.join(', ')}, or daily, weekdays, weekend`,
    (text) => daysOf(text) !== undefined,
  ) ?? ['daily'];
  const days = [...new Set(words.flatMap((word) => daysOf(word) ?? []))];
  const from = map.text('from', 'write a time from 00:00 to 23:59, such as 18:00', (text) =>
    /^([01][0-9]|2[0-3]):[0-5][0-9]$/.test(text),
  );
  const to = map.text('to', 'write a time from 00:00 to 24:00; one before `from` is on the next day', (text) =>
    /^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$/.test(text),
  );
  if (map.scalar('from') === undefined) map.complain('from', 'is missing: write when the window opens, such as 18:00');
  if (map.scalar('to') === undefined) map.complain('to', 'is missing: write when the window closes, such as 08:00');
  map.end('a window');
  return from === undefined || to === undefined || days.length === 0 ? [] : [{ days, from, to }];
}

function daysOf(word: string): readonly Day[] | undefined {
  const lower = word.toLowerCase();
  if (lower === 'daily') return DAYS;
  if (lower === 'weekdays') return DAYS.slice(0, 5);
  if (lower === 'weekend') return DAYS.slice(5);
  const day = DAYS.find((name) => name === lower);
  return day === undefined ? undefined : [day];
}

function readIdle(map: MapReader): number | undefined {
  const value = map.scalar('onlyWhenIdle');
  if (value === undefined || value === null || value === false) return undefined;
  if (value === true) return DEFAULT_IDLE_MINUTES;
  if (typeof value === 'number' && value > 0 && value <= 1_440) return value;
  map.complain(
    'onlyWhenIdle',
    'write true, false, or after how many idle minutes it is available (above 0, at most 1440)',
  );
  return undefined;
}

function readCaps(map: MapReader): Caps {
  const caps = map.map('caps', 'write the limits below it, such as `cores: 4`');
  if (caps === undefined) return {};
  const whole = (minimum: number) => (value: number) => Number.isInteger(value) && value >= minimum && value <= 1e9;
  const all: Caps = {
    cores: caps.number('cores', 'write how many cores are lent, such as 4', (value) => value > 0 && value <= 4_096),
    memoryMiB: caps.number('memoryMiB', 'write a whole number of MiB, such as 8192', whole(64)),
    vramMiB: caps.number('vramMiB', 'write a whole number of MiB, such as 8192; 0 lends no GPU', whole(0)),
    diskMiB: caps.number('diskMiB', 'write a whole number of MiB, such as 51200', whole(0)),
    gpuTemperatureC: caps.number(
      'gpuTemperatureC',
      'write °C from 30 to 120, such as 80',
      (value) => Number.isInteger(value) && value >= 30 && value <= 120,
    ),
    bandwidthKiBps: caps.number('bandwidthKiBps', 'write KiB a second, at least 16, such as 1024', whole(16)),
  };
  caps.end('caps');
  return all;
}

function readAllow(map: MapReader): AllowLists {
  const allow = map.map('allow', 'write workloads, kinds or images below it');
  if (allow === undefined) return {};
  const lists: AllowLists = {
    workloads: allow.texts('workloads', 'write names of workloads, such as ocr', (text) => passes(nameCheck, text)),
    kinds: allow.texts('kinds', 'write task kinds, such as ocr.read', (text) => passes(kindCheck, text)),
    images: allow.texts('images', 'write image names, such as postgres:17; * stands for any text', isImagePattern),
  };
  allow.end('allow');
  return lists;
}

function readJobs(map: MapReader): JobPolicy {
  const jobs = map.map('jobs', 'write images below it');
  const images = jobs?.texts(
    'images',
    'write image names, such as python:3.13-slim; * stands for any text',
    isImagePattern,
  );
  jobs?.end('jobs');
  return { images: images ?? [] };
}

function isImagePattern(text: string): boolean {
  return /^[!-~]{1,256}$/.test(text);
}

const nameCheck = new Check(Name, 'name');
const kindCheck = new Check(Kind, 'kind');
const labelCheck = new Check(Labels, 'labels');

function passes(check: Check<unknown>, value: unknown): boolean {
  try {
    check.assert(value);
    return true;
  } catch {
    // The schema's own message means nothing to a donor; the caller has a better one.
    return false;
  }
}

function isWhenClosed(text: string): boolean {
  return text === 'finish' || text === 'return';
}

function within(minimum: number, maximum: number) {
  return (value: number): boolean => value >= minimum && value <= maximum;
}
