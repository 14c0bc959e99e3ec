/** Pages of tasks older than those that the live list shows, loaded by asking; they stand as they were then. */
import type { TaskFilter, TaskView } from '@rma/client';
import { clock } from '$lib/pool/clock.svelte.js';
import { messageOf, pool } from '$lib/pool/pool.svelte.js';

const PAGE = 100;

export class OlderTasks {
  tasks = $state.raw<readonly TaskView[]>([]);
  /** When the first page was loaded, by the coordinator's clock. */
  asOf = $state<number>();
  isLoading = $state(false);
  isComplete = $state(false);
  problem = $state<string>();
  /** The last of the live list when the first page was loaded: pages go on behind it. */
  #behind: string | undefined;
  #round = 0;

  reset(): void {
    this.#round += 1;
    this.tasks = [];
    this.asOf = undefined;
    this.isLoading = false;
    this.isComplete = false;
    this.problem = undefined;
    this.#behind = undefined;
  }

  /** @param lastLive the oldest of the live list */
  async more(filter: TaskFilter, lastLive: string | undefined): Promise<void> {
    const before = this.tasks.at(-1)?.id ?? lastLive;
    if (this.isLoading || before === undefined) return;
    const round = this.#round;
    this.isLoading = true;
    this.problem = undefined;
    try {
      const page = await pool.client.tasks({ ...filter, before, limit: PAGE });
      if (round !== this.#round) return;
      this.#behind ??= before;
      this.asOf ??= clock.exact();
      this.tasks = [...this.tasks, ...page];
      this.isComplete = page.length < PAGE;
    } catch (error) {
      if (round === this.#round) this.problem = messageOf(error);
    } finally {
      if (round === this.#round) this.isLoading = false;
    }
  }

  /** Newer tasks pushed others out of the live list since: between the two, some are not shown. */
  hasGap(live: readonly TaskView[]): boolean {
    return this.#behind !== undefined && !live.some(({ id }) => id === this.#behind);
  }
}
