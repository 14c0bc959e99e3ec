/** The problems of a worker, in words. Being offline or drained is intended, and so not a problem. Pure. */
import type { LiveLoad } from '@rma/client';
import type { WorkerRow } from '@rma/protocol/topic';

/** Processors throttle or shut down not far above this. */
const HOT_CELSIUS = 90;
const FULL_PERCENT = 95;

export function problemsOf(row: WorkerRow, load: LiveLoad | undefined): readonly string[] {
  if (row.state === 'away') return ['lost its connection a moment ago'];
  if (row.state !== 'online' && row.state !== 'draining') return [];
  const problems = row.services
    .filter(({ state }) => state === 'unhealthy')
    .map(({ name }) => `the service ${name} is unhealthy`);
  const isStarting = row.services.some(
    ({ state }) => state === 'pending' || state === 'pulling' || state === 'starting',
  );
  if (problems.length === 0 && row.slots === 0 && !isStarting && row.services.every(({ state }) => state !== 'healthy'))
    problems.push('it has no healthy service, so it gets no tasks');
  if (load && load.celsius >= HOT_CELSIUS) problems.push(`its temperature is ${load.celsius} °C`);
  if (load && load.memory >= FULL_PERCENT) problems.push(`its memory is ${load.memory} % full`);
  return problems;
}
