/** What a command prints on Ctrl-C, and the exit status after a signal. */

/**
 * On the first SIGINT or SIGTERM calls `onSignal`, which may print and clear the screen, and exits with the status it
 * returns.
 * @returns removes the handlers
 */
export function onInterrupt(onSignal: (signal: 'SIGINT' | 'SIGTERM') => number): () => void {
  const handle = (signal: NodeJS.Signals) => process.exit(onSignal(signal as 'SIGINT' | 'SIGTERM'));
  process.once('SIGINT', handle);
  process.once('SIGTERM', handle);
  return () => {
    process.off('SIGINT', handle);
    process.off('SIGTERM', handle);
  };
}

/** 128 + the signal number, as shells report it. */
export function signalStatus(signal: 'SIGINT' | 'SIGTERM'): number {
  return signal === 'SIGINT' ? 130 : 143;
}
