/** The status of a running agent: built by the agent, printed by `rma-worker status` as JSON or as text. */
import type { Assignment, Service } from '@rma/protocol/worker';
import type { Availability } from '../policy/availability.js';
import { timeText } from '../policy/human-time.js';
import type { PolicyMonitor } from '../policy/policy-monitor.js';
import type { AllowLists, Caps } from '../policy/worker-file.js';

/** Each availability's name in the JSON. */
const STATUS_STATES = { available: 'open', draining: 'holding', unavailable: 'closed' } as const;

/** Programs read this as JSON: its names and values are stable, also where the code has another word by now. */
export interface AgentStatus {
  readonly running: true;
  readonly pid: number;
  readonly pool: string;
  readonly stateDir: string;
  readonly worker?: { readonly id: string; readonly name: string };
  readonly online: boolean;
  /** ISO 8601 */
  readonly onlineSince?: string;
  /** Why there is no connection, and when the next one is tried (ISO 8601). */
  readonly disconnected?: { readonly reason: string; readonly retryAt: string };
  readonly tier?: Assignment['tier'];
  readonly reasons?: readonly string[];
  readonly declined?: Assignment['declined'];
  readonly services: readonly Service[];
  readonly runningTasks: number;
  readonly unacknowledgedResults: number;
  /** Availability. */
  readonly lending: {
    readonly state: (typeof STATUS_STATES)[Availability['state']];
    readonly reason?: string;
    /** ISO 8601: when it changes by itself. */
    readonly until?: string;
    readonly timeZone: string;
    readonly idle?: { readonly signal: string; readonly seconds: number; readonly afterMinutes: number };
    readonly gpuTemperatureC?: number;
  };
  readonly caps: Caps;
  readonly allow: AllowLists;
  readonly configFile?: string;
  /** The mistakes in it; the previous policy is in force. */
  readonly configProblem?: readonly string[];
}

/** What a status is built from. */
export interface StatusSources {
  readonly url: string;
  readonly stateDir: string;
  readonly configFile: string | undefined;
  readonly worker: { readonly id: string; readonly name: string } | undefined;
  readonly online: boolean;
  readonly onlineSinceMs: number | undefined;
  readonly disconnected: { readonly reason: string; readonly retryAtMs: number } | undefined;
  readonly assignment: Assignment | undefined;
  readonly services: readonly Service[];
  readonly tasks: number;
  readonly unacknowledged: number;
  readonly monitor: PolicyMonitor | undefined;
}

export function agentStatus(sources: StatusSources): AgentStatus {
  const { assignment, configFile, disconnected, monitor, onlineSinceMs, worker } = sources;
  return {
    running: true,
    pid: process.pid,
    pool: sources.url,
    stateDir: sources.stateDir,
    ...(worker === undefined ? {} : { worker }),
    online: sources.online,
    ...(sources.online && onlineSinceMs !== undefined ? { onlineSince: new Date(onlineSinceMs).toISOString() } : {}),
    ...(sources.online || disconnected === undefined || monitor?.availability.state === 'unavailable'
      ? {}
      : { disconnected: { reason: disconnected.reason, retryAt: new Date(disconnected.retryAtMs).toISOString() } }),
    ...(assignment === undefined
      ? {}
      : { tier: assignment.tier, reasons: assignment.reasons, declined: assignment.declined }),
    services: sources.services,
    runningTasks: sources.tasks,
    unacknowledgedResults: sources.unacknowledged,
    lending: availabilityStatus(monitor),
    caps: monitor?.policy.caps ?? {},
    allow: monitor?.policy.allow ?? {},
    ...(configFile === undefined ? {} : { configFile }),
    ...(monitor === undefined || monitor.fileProblems.length === 0 ? {} : { configProblem: monitor.fileProblems }),
  };
}

function availabilityStatus(monitor: PolicyMonitor | undefined): AgentStatus['lending'] {
  if (monitor === undefined) return { state: STATUS_STATES.available, timeZone: 'UTC' };
  const { availability, gpuTemperatureC, idle, policy } = monitor;
  const { reason, untilMs } = { reason: undefined, untilMs: undefined, ...availability };
  return {
    state: STATUS_STATES[availability.state],
    ...(reason === undefined ? {} : { reason }),
    ...(untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() }),
    timeZone: policy.timeZone,
    ...(policy.idleMinutes === undefined || idle === undefined
      ? {}
      : { idle: { signal: idle.signal, seconds: Math.round(idle.idleMs / 1_000), afterMinutes: policy.idleMinutes } }),
    ...(gpuTemperatureC === undefined ? {} : { gpuTemperatureC }),
  };
}

/** For people, one line per entry. */
export function statusText(status: AgentStatus): string {
  const { allow, caps, lending, services, worker } = status;
  const zone = lending.timeZone;
  const rows: (readonly [string, string])[] = [
    ['worker', worker === undefined ? 'has not joined yet' : `${worker.id} "${worker.name}", process ${status.pid}`],
    ['pool', status.pool],
    [
      'online',
      status.online
        ? `since ${status.onlineSince === undefined ? 'now' : timeText(Date.parse(status.onlineSince), zone)}`
        : disconnectedText(status.disconnected, zone),
    ],
    ['available', availabilityText(lending)],
  ];
  if (status.tier !== undefined)
    rows.push([
      'tier',
      `${status.tier ?? 'below 3'}${status.reasons?.length ? ` (${status.reasons.join('; ')})` : ''}`,
    ]);
  for (const { kinds, name, reason, slots, state } of services) {
    const what = kinds.length === 0 ? '' : ` ${kinds.join(', ')}, ${slots} at once`;
    rows.push(['service', `${name}: ${state}${what}${reason === undefined ? '' : ` (${reason})`}`]);
  }
  rows.push(['tasks', `${status.runningTasks} running, ${status.unacknowledgedResults} results not acknowledged`]);
  if (lending.idle !== undefined)
    rows.push([
      'idle',
      `${lending.idle.seconds} s by ${lending.idle.signal}; available after ${lending.idle.afterMinutes} min`,
    ]);
  const limits = Object.entries(caps).filter(([, value]) => value !== undefined);
  rows.push(['caps', limits.length === 0 ? 'none' : limits.map(([name, value]) => `${name} ${value}`).join(', ')]);
  for (const [name, list] of Object.entries(allow) as [string, readonly string[] | undefined][])
    if (list !== undefined) rows.push([`only ${name}`, list.join(', ') || 'none']);
  if (status.configFile !== undefined) rows.push(['policy', status.configFile]);
  for (const problem of status.configProblem ?? []) rows.push(['mistake', problem]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

function disconnectedText(disconnected: AgentStatus['disconnected'], zone: string): string {
  if (disconnected === undefined) return 'no';
  return `no: ${disconnected.reason}; dials again ${timeText(Date.parse(disconnected.retryAt), zone)}`;
}

function availabilityText({ reason, state, timeZone, until }: AgentStatus['lending']): string {
  const time = until === undefined ? undefined : timeText(Date.parse(until), timeZone);
  if (state === 'open') return time === undefined ? 'yes' : `yes, until ${time}`;
  const what = state === 'holding' ? 'no new tasks' : 'no';
  return `${what}: ${reason}${time === undefined ? '' : `; again ${time}`}`;
}
