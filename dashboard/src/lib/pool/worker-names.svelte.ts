/** The names of workers, for event sentences; reactive to names only, not to each change of load. */
import type { LiveWorkers } from '@rma/client';
import type { Names } from '../events/sentence.js';
import { pool } from './pool.svelte.js';

/** Call it during component initialisation. */
export function workerNames(): Names {
  let names = $state.raw<ReadonlyMap<string, string>>(new Map());
  $effect(() =>
    pool.client.liveWorkers().subscribe((workers) => {
      if (workers) names = withNames(names, workers);
    }),
  );
  return { worker: (id) => names.get(id) };
}

function withNames(names: ReadonlyMap<string, string>, { rows, changed }: LiveWorkers): ReadonlyMap<string, string> {
  const renamed = [...(changed ?? rows.keys())].filter((id) => rows.has(id) && rows.get(id)?.name !== names.get(id));
  if (renamed.length === 0) return names;
  return new Map([...names, ...renamed.map((id) => [id, rows.get(id)!.name] as const)]);
}
