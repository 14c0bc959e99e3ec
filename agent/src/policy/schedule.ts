/**
 * The weekly schedule of a policy, in local time of a time zone. Pure. Windows are compared with local time, so they keep
 * their hours over daylight saving changes: an hour that is skipped in spring opens nothing, and one that is repeated in
 * autumn is open twice.
 */

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

/** A time range on some weekdays; it may run over midnight. */
export interface Window {
  readonly days: readonly Day[];
  /** `HH:MM` */
  readonly from: string;
  /** `HH:MM`, or `24:00`; on the next day where it is not later than `from`. */
  readonly to: string;
}

export interface Schedule {
  /** None: always open. */
  readonly windows: readonly Window[];
  /** An IANA name, such as `Europe/London`. */
  readonly timeZone: string;
}

export interface Change {
  readonly atMs: number;
  /** The state from then on. */
  readonly open: boolean;
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
const WEEK_MINUTES = 7 * DAY_MINUTES;
const DAY_MS = DAY_MINUTES * MINUTE_MS;
/** Any weekly change lies within a week, plus the hours by which offsets of zones change. */
const HORIZON_MS = 9 * DAY_MS;

export function isTimeZone(name: string): boolean {
  try {
    clockOf(name);
    return true;
  } catch {
    // A RangeError is the answer.
    return false;
  }
}

export function localTimeZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Whether a schedule is open at an instant (Unix ms). */
export function isOpen(schedule: Schedule, atMs: number): boolean {
  if (schedule.windows.length === 0) return true;
  return contains(spansOf(schedule.windows), weekMinuteOf(atMs + offsetMs(schedule.timeZone, atMs)));
}

/** The first instant after `afterMs` at which it opens or closes; `undefined` where it never does. */
export function nextChange(schedule: Schedule, afterMs: number): Change | undefined {
  const spans = spansOf(schedule.windows);
  if (spans.length === 0) return undefined;
  const now = isOpen(schedule, afterMs);
  let at = afterMs;
  while (at < afterMs + HORIZON_MS) {
    at = nextEdge(schedule.timeZone, spans, at);
    const open = isOpen(schedule, at);
    if (open !== now) return { atMs: at, open };
  }
  return undefined;
}

/** [from, to) in minutes since Monday 0:00; `to` may be beyond the week's end. */
interface Span {
  readonly from: number;
  readonly to: number;
}

function spansOf(windows: readonly Window[]): Span[] {
  return windows.flatMap(({ days, from, to }) =>
    days.map((day) => {
      const start = minutesOf(from);
      const end = minutesOf(to);
      const base = DAYS.indexOf(day) * DAY_MINUTES;
      return { from: base + start, to: base + (end > start ? end : end + DAY_MINUTES) };
    }),
  );
}

function minutesOf(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(':').map(Number);
  return hours * 60 + minutes;
}

function contains(spans: readonly Span[], minute: number): boolean {
  return spans.some(
    ({ from, to }) => (minute >= from && minute < to) || (minute + WEEK_MINUTES >= from && minute + WEEK_MINUTES < to),
  );
}

/** Minutes since Monday 0:00, with fractions. The Unix epoch was a Thursday. */
function weekMinuteOf(localMs: number): number {
  return mod(localMs / MINUTE_MS + 3 * DAY_MINUTES, WEEK_MINUTES);
}

/** The next instant at which something may change: an edge of a window, or a change of the zone's offset. */
function nextEdge(timeZone: string, spans: readonly Span[], atMs: number): number {
  const offset = offsetMs(timeZone, atMs);
  const minute = weekMinuteOf(atMs + offset);
  const untilEdges = spans.flatMap(({ from, to }) => [from, to].map((edge) => mod(edge - minute, WEEK_MINUTES)));
  const wait = Math.min(...untilEdges.map((minutes) => (minutes === 0 ? WEEK_MINUTES : minutes)));
  // At most a day ahead, so that one step cannot contain two changes of the zone's offset.
  const edge = Math.min(Math.round(atMs + wait * MINUTE_MS), atMs + DAY_MS);
  if (offsetMs(timeZone, edge) === offset) return edge;
  return Math.min(edge, offsetChange(timeZone, atMs, edge, offset));
}

/** The first instant in (`fromMs`, `toMs`] whose offset differs from `before`, by bisection. */
function offsetChange(timeZone: string, fromMs: number, toMs: number, before: number): number {
  let low = fromMs;
  let high = toMs;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetMs(timeZone, middle) === before) low = middle;
    else high = middle;
  }
  return high;
}

/** Local time minus UTC. */
function offsetMs(timeZone: string, atMs: number): number {
  const second = Math.floor(atMs / 1_000) * 1_000;
  const parts: Record<string, number> = {};
  for (const { type, value } of clockOf(timeZone).formatToParts(second)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second: s = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, s) - second;
}

const clocks = new Map<string, Intl.DateTimeFormat>();

/** @throws RangeError for what is no time zone */
function clockOf(timeZone: string): Intl.DateTimeFormat {
  const known = clocks.get(timeZone);
  if (known !== undefined) return known;
  const clock = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  clocks.set(timeZone, clock);
  return clock;
}

function mod(value: number, by: number): number {
  return ((value % by) + by) % by;
}
