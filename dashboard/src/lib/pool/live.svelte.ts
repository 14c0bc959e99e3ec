/** A topic of the coordinator as reactive state, looked at for as long as the component that asks lives. */
import type { Live, LiveStatus } from '@rma/client';

export interface LiveState<T> {
  /** The newest; undefined before the first snapshot. */
  readonly value: T | undefined;
  /** stale: the connection is lost, `value` is what was. */
  readonly status: LiveStatus;
  readonly error: Error | undefined;
}

/**
 * Call it while a component is set up. `source` is asked again when what it reads changes (an id, a filter).
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
    const leave = topic.subscribe((value, { status, error }) => {
      state = { value, status, error };
    });
    return () => {
      leave();
      state = { value: undefined, status: 'idle', error: undefined };
    };
  });
  // Each for itself: who reads the value alone is not told of a status that changed.
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
