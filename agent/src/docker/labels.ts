/**
 * How this agent knows its own containers, volumes and networks again: by labels, also after it was killed. Pure.
 * `rma.agent` stands for the state directory, `rma.worker` for the identity in a pool, `rma.spec` for what was asked for.
 */
import { createHash } from 'node:crypto';
import type { ContainerSpec } from '@rma/protocol/workload';

export type Labels = Readonly<Record<string, string>>;

/** Whose containers they are. */
export interface Owner {
  /** Of the state directory's key, which is a secret: a hash of it. */
  readonly agent: string;
  /** The worker's id in its pool. */
  readonly worker: string;
}

/** Counts up when `profile.ts` makes another container of the same spec. */
const PROFILE_VERSION = 1;

export function agentLabel(stateKey: string): string {
  return createHash('sha256').update(`rma-agent ${stateKey}`).digest('hex').slice(0, 16);
}

export const ofAgent = (agent: string): Labels => ({ 'rma.agent': agent });
export const ofService = ({ agent, worker }: Owner, workload: string): Labels => ({
  'rma.agent': agent,
  'rma.worker': worker,
  'rma.role': 'service',
  'rma.workload': workload,
});
export const ofJobs = (agent: string): Labels => ({ 'rma.agent': agent, 'rma.role': 'job' });

/** Tells whether a container that runs is the one that is asked for. */
export function specHash(spec: ContainerSpec): string {
  return createHash('sha256')
    .update(`${PROFILE_VERSION} ${canonical(spec)}`)
    .digest('hex')
    .slice(0, 16);
}

/** Names are for people (`docker ps`); labels are what counts. */
export function containerName(owner: Owner, workload: string): string {
  return `rma-${workload}-${owner.worker.replace(/[^A-Za-z0-9_.-]/g, '')}`.slice(0, 100);
}

/** Of one agent, because engines may make two networks of one name at once. */
export function networkName(owner: Owner, open: boolean): string {
  return `rma-${owner.agent}-${open ? 'open' : 'closed'}`;
}

export function volumeName(owner: Owner, workload: string, volume: string): string {
  return `${containerName(owner, workload)}-${volume}`;
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`)
    .join()}}`;
}
