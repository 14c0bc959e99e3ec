/** What is wrong with a worker, in plain words. What is as its donor wants it (off line, drained) is no problem. */
import type { LiveLoad } from '@rma/client';
import type { WorkerRow } from '@rma/protocol/topic';

/** Processors slow down, or stop, not far above this. */
const HOT_CELSIUS = 90;
const FULL_PERCENT = 95;

export function problemsOf(row: WorkerRow, load: LiveLoad | undefined): readonly string[] {
  if (row.state === 'away') return ['lost its connection a moment ago'];
  if (row.state !== 'online' && row.state !== 'draining') return [];
  const problems = row.services
    .filter(({ state }) => state === 'unhealthy')
    .map(({ name }) => `the service ${name} is unhealthy`);
  const isComing = row.services.some(({ state }) => state === 'pending' || state === 'pulling' || state === 'starting');
  if (problems.length === 0 && row.slots === 0 && !isComing && row.services.every(({ state }) => state !== 'healthy'))
    problems.push('no service of its is healthy: it gets no tasks');
  if (load && load.celsius >= HOT_CELSIUS) problems.push(`it is ${load.celsius} °C hot`);
  if (load && load.memory >= FULL_PERCENT) problems.push(`its memory is ${load.memory} % full`);
  return problems;
}
