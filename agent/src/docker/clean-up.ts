/** Takes away what this agent's containers left: after a crash, when workloads are withdrawn, and when the worker leaves. */
import type { Engine } from './engine.js';
import { agentLabel, ofAgent, ofJobs } from './labels.js';
import { SecretFile } from './secrets.js';

export interface CleanUpLog {
  info(fields: object, message: string): void;
}

/** Jobs of an agent that was killed: nobody waits for them any more. */
export async function removeJobs(engine: Engine, agent: string): Promise<number> {
  const containers = await engine.containers(ofJobs(agent));
  await Promise.all(containers.map(({ id }) => engine.remove(id)));
  for (const volume of await engine.volumes(ofJobs(agent))) await engine.removeVolume(volume);
  return containers.length;
}

/** Services of this state directory that are not assigned (any more), or belong to an identity that it had before. */
export async function removeUnassigned(
  engine: Engine,
  agent: string,
  worker: string,
  assigned: readonly string[],
  log: CleanUpLog,
): Promise<void> {
  const all = await engine.containers({ ...ofAgent(agent), 'rma.role': 'service' });
  const gone = all.filter(
    ({ labels }) => labels['rma.worker'] !== worker || !assigned.includes(labels['rma.workload'] ?? ''),
  );
  for (const { id, name, running } of gone) {
    if (running) await engine.stop(id, 10);
    await engine.remove(id);
    log.info({ container: name }, `removed the container ${name}, which is not assigned any more`);
  }
}

export interface RemoveAllOptions {
  readonly engine: Engine;
  readonly stateDir: string;
  /** Of the state directory (`StateDir.key`). */
  readonly stateKey: string;
  /** Also the data of its services, and the passwords that belong to them. */
  readonly purgeVolumes: boolean;
}

/** Everything of a worker that leaves: containers always, data volumes where asked for. */
export async function removeAll({ engine, stateDir, stateKey, purgeVolumes }: RemoveAllOptions): Promise<{
  readonly containers: readonly string[];
  readonly volumes: readonly string[];
}> {
  const agent = agentLabel(stateKey);
  await removeJobs(engine, agent);
  const containers = await engine.containers(ofAgent(agent));
  await Promise.all(
    containers.map(async ({ id, running }) => {
      if (running) await engine.stop(id, 10);
      await engine.remove(id);
    }),
  );
  const volumes = purgeVolumes ? await engine.volumes(ofAgent(agent)) : [];
  for (const volume of volumes) await engine.removeVolume(volume);
  if (purgeVolumes) new SecretFile(stateDir).forget(() => true);
  for (const network of await engine.networks(ofAgent(agent))) await engine.removeNetwork(network);
  return { containers: containers.map(({ name }) => name), volumes };
}
