/** The commands that open components offer in the palette. */
import { untrack } from 'svelte';

export interface Command {
  readonly name: string;
  /** More search words. */
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

/** Call it during component initialisation; offers the commands for the life of the component. */
export function offerCommands(source: () => readonly Command[]): void {
  // Untracked: `add` reads the state that it changes.
  $effect(() => untrack(() => commands.add(source)));
}
