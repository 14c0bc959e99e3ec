/** Ctrl-C: the last words of a command. */

/**
 * On the first SIGINT or SIGTERM says `farewell` (which may also tidy the screen) and exits with its status.
 *
 * @returns a function that ends the watch
 */
export function onInterrupt(farewell: (signal: 'SIGINT' | 'SIGTERM') => number): () => void {
  const handle = (signal: NodeJS.Signals) => process.exit(farewell(signal as 'SIGINT' | 'SIGTERM'));
  process.once('SIGINT', handle);
  process.once('SIGTERM', handle);
  return () => {
    process.off('SIGINT', handle);
    process.off('SIGTERM', handle);
  };
}

/** As a shell reports a process that a signal ended. */
export function signalStatus(signal: 'SIGINT' | 'SIGTERM'): number {
  return signal === 'SIGINT' ? 130 : 143;
}
