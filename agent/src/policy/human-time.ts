/** Times as people read and write them: the end of a pause (`--for 2h`, `--until 18:00`), the next change of availability. */
import { AgentFault } from '../fault.js';

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const MAX_DURATION_MS = 3_660 * 86_400_000;

/** `90m`, `2h`, `1d`, `1h30m`, in ms. @throws AgentFault */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)([mhd])/g)];
  const ms = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNIT_MS[unit ?? ''] ?? 0), 0);
  if (parts.map(([whole]) => whole).join('') === text && ms > 0 && ms <= MAX_DURATION_MS) return Math.round(ms);
  throw new AgentFault(`--for: '${text}' is no length of time. Write 30m, 2h, 1h30m or 1d.`);
}

/** `18:00`: the next one on this machine's clock; or a whole date and time. @returns Unix ms @throws AgentFault */
export function parseUntil(text: string, nowMs: number): number {
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text);
  if (clock !== null) {
    const at = new Date(nowMs);
    at.setHours(Number(clock[1]), Number(clock[2]), 0, 0);
    if (at.getTime() <= nowMs) at.setDate(at.getDate() + 1);
    return at.getTime();
  }
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text.replace(' ', 'T')) : Number.NaN;
  if (Number.isFinite(at) && at > nowMs) return at;
  throw new AgentFault(
    Number.isFinite(at)
      ? `--until: ${text} is past.`
      : `--until: '${text}' is no time. Write 18:00, or a date and time such as 2027-01-31T18:00.`,
  );
}

/** Weekday, date and clock time in a time zone. @param atMs Unix ms */
export function timeText(atMs: number, timeZone: string): string {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short',
  }).format(atMs);
}
