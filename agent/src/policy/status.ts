/** What `rma-worker status` tells: made by the running agent, rendered for people by the command. */
import type { Assignment, Service } from '@rma/protocol/worker';
import type { Donor } from './donor.js';
import { timeText } from './lender.js';
import type { Lending } from './lending.js';
import type { AllowLists, Caps } from './worker-file.js';

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
  readonly lending: {
    readonly state: Lending['state'];
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
  /** What is wrong in it; the terms before hold. */
  readonly configProblem?: readonly string[];
}

export interface AgentFacts {
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
  readonly donor: Donor | undefined;
}

export function describeAgent(facts: AgentFacts): AgentStatus {
  const { assignment, configFile, disconnected, donor, onlineSinceMs, worker } = facts;
  return {
    running: true,
    pid: process.pid,
    pool: facts.url,
    stateDir: facts.stateDir,
    ...(worker === undefined ? {} : { worker }),
    online: facts.online,
    ...(facts.online && onlineSinceMs !== undefined ? { onlineSince: new Date(onlineSinceMs).toISOString() } : {}),
    ...(facts.online || disconnected === undefined || donor?.lending.state === 'closed'
      ? {}
      : { disconnected: { reason: disconnected.reason, retryAt: new Date(disconnected.retryAtMs).toISOString() } }),
    ...(assignment === undefined
      ? {}
      : { tier: assignment.tier, reasons: assignment.reasons, declined: assignment.declined }),
    services: facts.services,
    runningTasks: facts.tasks,
    unacknowledgedResults: facts.unacknowledged,
    lending: lendingOf(donor),
    caps: donor?.policy.caps ?? {},
    allow: donor?.policy.allow ?? {},
    ...(configFile === undefined ? {} : { configFile }),
    ...(donor === undefined || donor.fileProblem.length === 0 ? {} : { configProblem: donor.fileProblem }),
  };
}

function lendingOf(donor: Donor | undefined): AgentStatus['lending'] {
  if (donor === undefined) return { state: 'open', timeZone: 'UTC' };
  const { gpuTemperatureC, idle, lending, policy } = donor;
  const { reason, untilMs } = { reason: undefined, untilMs: undefined, ...lending };
  return {
    state: lending.state,
    ...(reason === undefined ? {} : { reason }),
    ...(untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() }),
    timeZone: policy.timeZone,
    ...(policy.idleMinutes === undefined || idle === undefined
      ? {}
      : { idle: { signal: idle.signal, seconds: Math.round(idle.idleMs / 1_000), afterMinutes: policy.idleMinutes } }),
    ...(gpuTemperatureC === undefined ? {} : { gpuTemperatureC }),
  };
}

/** For people, a fact a line. */
export function statusText(status: AgentStatus): string {
  const { allow, caps, lending, services, worker } = status;
  const zone = lending.timeZone;
  const rows: (readonly [string, string])[] = [
    ['worker', worker === undefined ? 'has not joined yet' : `${worker.id} "${worker.name}", process ${status.pid}`],
    ['pool', status.pool],
    [
      'on line',
      status.online
        ? `since ${status.onlineSince === undefined ? 'now' : timeText(Date.parse(status.onlineSince), zone)}`
        : disconnectedText(status.disconnected, zone),
    ],
    ['lent', lendingText(lending)],
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
      `${lending.idle.seconds} s by ${lending.idle.signal}; lent after ${lending.idle.afterMinutes} min`,
    ]);
  const limits = Object.entries(caps).filter(([, value]) => value !== undefined);
  rows.push(['caps', limits.length === 0 ? 'none' : limits.map(([name, value]) => `${name} ${value}`).join(', ')]);
  for (const [name, list] of Object.entries(allow) as [string, readonly string[] | undefined][])
    if (list !== undefined) rows.push([`only ${name}`, list.join(', ') || 'none']);
  if (status.configFile !== undefined) rows.push(['terms', status.configFile]);
  for (const problem of status.configProblem ?? []) rows.push(['mistake', problem]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

function disconnectedText(disconnected: AgentStatus['disconnected'], zone: string): string {
  if (disconnected === undefined) return 'no';
  return `no: ${disconnected.reason}; dials again ${timeText(Date.parse(disconnected.retryAt), zone)}`;
}

function lendingText({ reason, state, timeZone, until }: AgentStatus['lending']): string {
  const time = until === undefined ? undefined : timeText(Date.parse(until), timeZone);
  if (state === 'open') return time === undefined ? 'yes' : `yes, until ${time}`;
  const what = state === 'holding' ? 'no new tasks' : 'no';
  return `${what}: ${reason}${time === undefined ? '' : `; again ${time}`}`;
}
