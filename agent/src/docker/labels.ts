/**
 * The labels and names of this agent's containers, volumes and networks, by which it finds them again after a crash. Pure.
 * `rma.agent` stands for the state directory, `rma.worker` for the identity in a pool, `rma.spec` for the spec's hash.
 */
import { createHash } from 'node:crypto';
import type { ContainerSpec } from '@rma/protocol/workload';

export type Labels = Readonly<Record<string, string>>;

/** Whose containers they are. */
export interface Owner {
  /** A hash of the state directory's key, which is secret itself. */
  readonly agent: string;
  /** The worker's id in its pool. */
  readonly worker: string;
}

/** Must be raised when `profile.ts` makes another container of the same spec, so that existing ones are replaced. */
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

/** Equal for two specs exactly if they make the same container. */
export function specHash(spec: ContainerSpec): string {
  return createHash('sha256')
    .update(`${PROFILE_VERSION} ${canonical(spec)}`)
    .digest('hex')
    .slice(0, 16);
}

/** For people (`docker ps`); containers are found by label. */
export function containerName(owner: Owner, workload: string): string {
  return `rma-${workload}-${owner.worker.replace(/[^A-Za-z0-9_.-]/g, '')}`.slice(0, 100);
}

/** Contains the agent, because engines create two networks of one name without an error. */
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
