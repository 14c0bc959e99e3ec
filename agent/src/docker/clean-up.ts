/** Removes this agent's containers, volumes and networks: after a crash, when workloads are withdrawn, when the worker leaves. */
import type { Engine } from './engine/engine.js';
import { agentLabel, ofAgent, ofJobs } from './labels.js';
import { SecretFile } from './secrets.js';

export interface CleanUpLog {
  info(fields: object, message: string): void;
}

/** Removes the jobs of a killed agent, whose attempts have ended. @returns how many containers there were */
export async function removeJobs(engine: Engine, agent: string): Promise<number> {
  const containers = await engine.containers.list(ofJobs(agent));
  await Promise.all(containers.map(({ id }) => engine.containers.remove(id)));
  for (const volume of await engine.volumes.list(ofJobs(agent))) await engine.volumes.remove(volume);
  return containers.length;
}

/** Removes services of this state directory that are not assigned any more, or belong to an earlier identity of it. */
export async function removeUnassigned(
  engine: Engine,
  agent: string,
  worker: string,
  assigned: readonly string[],
  log: CleanUpLog,
): Promise<void> {
  const all = await engine.containers.list({ ...ofAgent(agent), 'rma.role': 'service' });
  const unassigned = all.filter(
    ({ labels }) => labels['rma.worker'] !== worker || !assigned.includes(labels['rma.workload'] ?? ''),
  );
  for (const { id, name, running } of unassigned) {
    if (running) await engine.containers.stop(id, 10);
    await engine.containers.remove(id);
    log.info({ container: name }, `removed the container ${name}, which is not assigned any more`);
  }
}

export interface RemoveAllOptions {
  readonly engine: Engine;
  readonly stateDir: string;
  /** `StateDir.key`. */
  readonly stateKey: string;
  /** Whether to remove the data of services, too, with the passwords that belong to it. */
  readonly purgeVolumes: boolean;
}

/** Removes everything of a worker that leaves the pool: containers and networks, and data volumes if asked to. */
export async function removeAll({ engine, stateDir, stateKey, purgeVolumes }: RemoveAllOptions): Promise<{
  readonly containers: readonly string[];
  readonly volumes: readonly string[];
}> {
  const agent = agentLabel(stateKey);
  await removeJobs(engine, agent);
  const containers = await engine.containers.list(ofAgent(agent));
  await Promise.all(
    containers.map(async ({ id, running }) => {
      if (running) await engine.containers.stop(id, 10);
      await engine.containers.remove(id);
    }),
  );
  const volumes = purgeVolumes ? await engine.volumes.list(ofAgent(agent)) : [];
  for (const volume of volumes) await engine.volumes.remove(volume);
  if (purgeVolumes) new SecretFile(stateDir).forget(() => true);
  for (const network of await engine.networks.list(ofAgent(agent))) await engine.networks.remove(network);
  return { containers: containers.map(({ name }) => name), volumes };
}
