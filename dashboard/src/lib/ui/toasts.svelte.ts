/** Toasts: short messages at the edge of the page, for a few seconds. */
import type { Tone } from './tone.js';

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: Tone;
}

const SHOWN_MS = 6_000;
/** Errors are shown longer. */
const BAD_SHOWN_MS = 15_000;
const MAX_SHOWN = 4;

class Toasts {
  list = $state.raw<readonly Toast[]>([]);
  #next = 1;

  show(text: string, tone: Tone = 'plain'): void {
    const toast = { id: this.#next++, text, tone };
    this.list = [...this.list, toast].slice(-MAX_SHOWN);
    setTimeout(() => this.dismiss(toast.id), tone === 'bad' ? BAD_SHOWN_MS : SHOWN_MS);
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
