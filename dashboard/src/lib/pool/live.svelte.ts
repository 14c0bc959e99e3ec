/** A topic of the coordinator as reactive state, subscribed for the life of the calling component. */
import type { Live, LiveStatus } from '@rma/client';

export interface LiveState<T> {
  /** The latest value; undefined before the first snapshot. */
  readonly value: T | undefined;
  /** stale: the connection is lost, `value` is the last known one. */
  readonly status: LiveStatus;
  readonly error: Error | undefined;
}

/**
 * Call it during component initialisation. `source` is called again when the state that it reads changes (an id, a filter).
 *
 * ```ts
 * const workers = live(() => pool.client.liveWorkers());
 * const online = $derived(workers.value?.rows.size);
 * ```
 */
export function live<T>(source: () => Live<T>): LiveState<T> {
  let state = $state.raw<LiveState<T>>({ value: undefined, status: 'idle', error: undefined });
  $effect(() => {
    const topic = source();
    const unsubscribe = topic.subscribe((value, { status, error }) => {
      state = { value, status, error };
    });
    return () => {
      unsubscribe();
      state = { value: undefined, status: 'idle', error: undefined };
    };
  });
  // Separately derived: a reader of the value alone is not re-run for a change of status.
  const value = $derived(state.value);
  const status = $derived(state.status);
  const error = $derived(state.error);
  return {
    get value() {
      return value;
    },
    get status() {
      return status;
    },
    get error() {
      return error;
    },
  };
}
