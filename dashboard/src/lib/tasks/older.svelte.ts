/** Pages of tasks older than the live list, loaded on request; not updated afterwards. */
import type { TaskFilter, TaskView } from '@rma/client';
import { clock } from '$lib/pool/clock.svelte.js';
import { messageOf, pool } from '$lib/pool/pool.svelte.js';

const PAGE = 100;

export class OlderTasks {
  tasks = $state.raw<readonly TaskView[]>([]);
  /** When the first page was loaded, in coordinator time. */
  asOf = $state<number>();
  isLoading = $state(false);
  isComplete = $state(false);
  problem = $state<string>();
  /** The last task of the live list when the first page was loaded: the pages start after it. */
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

  /** Whether newer tasks have since pushed others out of the live list, so that some are in neither. */
  hasGap(live: readonly TaskView[]): boolean {
    return this.#behind !== undefined && !live.some(({ id }) => id === this.#behind);
  }
}
