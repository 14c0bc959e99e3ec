/** What the page that is open can do, for the palette. */
import { untrack } from 'svelte';

export interface Command {
  readonly name: string;
  /** Other words to find it by. */
  readonly words?: string;
  run(): void;
}

class Commands {
  #sources = $state.raw<readonly (() => readonly Command[])[]>([]);

  get all(): readonly Command[] {
    return this.#sources.flatMap((source) => source());
  }

  add(source: () => readonly Command[]): () => void {
    this.#sources = [...this.#sources, source];
    return () => {
      this.#sources = this.#sources.filter((other) => other !== source);
    };
  }
}

export const commands = new Commands();

/** Offers commands for as long as the component that calls this lives. */
export function offerCommands(source: () => readonly Command[]): void {
  // Adding reads the list that it changes.
  $effect(() => untrack(() => commands.add(source)));
}
