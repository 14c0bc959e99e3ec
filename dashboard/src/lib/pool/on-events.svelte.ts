/** What happens in the pool, told to a component for as long as it lives. */
import { ClosedError, type PoolEvent } from '@rma/client';
import { messageOf, pool } from './pool.svelte.js';

/** Calls `take` with every event from now on, across reconnects. Call it while a component is set up. */
export function onEvents(take: (event: PoolEvent) => void): void {
  $effect(() => {
    const abort = new AbortController();
    void follow(take, abort.signal);
    return () => abort.abort();
  });
}

async function follow(take: (event: PoolEvent) => void, signal: AbortSignal): Promise<void> {
  try {
    for await (const event of pool.client.events({ follow: true, signal })) take(event);
  } catch (error) {
    // Whoever signs out, or is signed out, hears nothing more; the shell tells why.
    if (!(error instanceof ClosedError) && !signal.aborted) console.warn('events are not told', messageOf(error));
  }
}
