/** Formats times and durations. All times are ms since 1970, by the coordinator's clock. */
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const DAY_OF_YEAR = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
const FULL = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY_MS = 24 * HOUR;

/** 0.4 ms, 12 ms, 3.2 s, 4 min 10 s, 2 h 5 min, 3 d 4 h */
export function duration(ms: number): string {
  if (ms < 0.95) return ms < 0.05 ? '0 ms' : `${ms.toFixed(1)} ms`;
  // A value that rounds up to the next unit is shown in that unit.
  if (Math.round(ms) < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 9.95 * SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  if (Math.round(ms / SECOND) < 60) return `${Math.round(ms / SECOND)} s`;
  if (ms < HOUR) return pair(Math.max(ms, MINUTE), MINUTE, 'min', SECOND, 's');
  if (ms < DAY_MS) return pair(ms, HOUR, 'h', MINUTE, 'min');
  return pair(ms, DAY_MS, 'd', HOUR, 'h');
}

function pair(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const whole = Math.floor(ms / large);
  const rest = Math.floor((ms - whole * large) / small);
  return rest === 0 ? `${whole} ${largeName}` : `${whole} ${largeName} ${rest} ${smallName}`;
}

/** Times within this distance are shown as a distance, others as a date. */
export const NEAR_MS = 7 * DAY_MS;

/** just now, 12 s ago, 4 min ago, 3 h ago, 14 Nov, 14 Nov 2025; in 3 min for the future. */
export function ago(at: number, now: number): string {
  const ms = now - at;
  if (Math.abs(ms) < 2 * SECOND) return 'just now';
  if (Math.abs(ms) > NEAR_MS) {
    const isThisYear = new Date(at).getFullYear() === new Date(now).getFullYear();
    return (isThisYear ? DAY : DAY_OF_YEAR).format(at);
  }
  return ms > 0 ? `${rough(ms)} ago` : `in ${rough(-ms)}`;
}

function rough(ms: number): string {
  if (Math.round(ms / SECOND) < 60) return `${Math.round(ms / SECOND)} s`;
  if (Math.round(ms / MINUTE) < 60) return `${Math.round(ms / MINUTE)} min`;
  if (ms < DAY_MS) return `${Math.round(ms / HOUR)} h`;
  return `${Math.round(ms / DAY_MS)} d`;
}

/** 14:02:31 */
export function clockTime(at: number): string {
  return CLOCK.format(at);
}

/** 22 Nov 2026, 14:02:31 */
export function fullTime(at: number): string {
  return FULL.format(at);
}
