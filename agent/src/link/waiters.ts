/** Those who wait for a condition of the link, looked at once a turn. */
export class Waiters {
  #waiters: { readonly met: () => boolean; readonly resolve: () => void }[] = [];

  /** Resolves once the condition is met, or after a time; with whether it was met. */
  async until(met: () => boolean, timeoutMs: number): Promise<boolean> {
    if (met() || timeoutMs <= 0) return met();
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
      this.#waiters.push({ met, resolve });
    });
    clearTimeout(timer);
    this.#waiters = this.#waiters.filter((waiter) => waiter.met !== met);
    return met();
  }

  look(): void {
    for (const waiter of this.#waiters) if (waiter.met()) waiter.resolve();
  }

  /** Nothing changes any more. */
  release(): void {
    for (const { resolve } of this.#waiters.splice(0)) resolve();
  }
}
