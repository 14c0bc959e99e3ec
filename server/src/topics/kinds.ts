/** The topic `kinds`: every known kind, with figures of the whole pool. One view for all subscribers, whatever their role. */
import { LIMITS } from '@rma/protocol/limits';
import type { KindView } from '@rma/protocol/view';
import type { State } from '../core/state.js';
import { viewKinds } from '../core/view.js';
import type { Topic, TopicMessage } from './topic.js';

export interface KindsChange {
  readonly kinds: ReadonlyMap<string, KindView>;
  readonly gone: ReadonlySet<string>;
}

/** In place of a view that not all subscribers have: equal to none, so that the next change names its kind. */
const UNEQUAL = '';

export class KindsTopic implements Topic<KindsChange> {
  readonly key = 'kinds';
  /** What every subscriber has, by kind, as text; undefined before the first snapshot. */
  #sent: Map<string, string> | undefined;
  /** Something was committed since the last change. */
  #dirty = true;

  observe(): void {
    this.#dirty = true;
  }

  snapshot(state: State): TopicMessage[] {
    const views = viewKinds(state);
    const shown = textsOf(views);
    const sent = this.#sent;
    if (sent) {
      for (const kind of [...sent.keys(), ...shown.keys()]) {
        if (sent.get(kind) !== shown.get(kind)) sent.set(kind, UNEQUAL);
      }
    } else this.#sent = shown;
    const [first, ...rest] = this.#pages(views, []);
    return [{ type: 'kinds', key: this.key, kinds: [], ...first, snapshot: true }, ...rest];
  }

  takeChange(state: State): KindsChange | undefined {
    if (!this.#dirty) return undefined;
    this.#dirty = false;
    const views = viewKinds(state);
    const now = textsOf(views);
    const sent = this.#sent ?? new Map<string, string>();
    this.#sent = now;
    const changed = views.filter(({ kind }) => sent.get(kind) !== now.get(kind));
    const gone = [...sent.keys()].filter((kind) => !now.has(kind));
    if (changed.length === 0 && gone.length === 0) return undefined;
    return { kinds: new Map(changed.map((view) => [view.kind, view])), gone: new Set(gone) };
  }

  merge(earlier: KindsChange, later: KindsChange): KindsChange {
    const kinds = new Map([...earlier.kinds, ...later.kinds]);
    const gone = new Set([...earlier.gone, ...later.gone]);
    for (const kind of later.gone) kinds.delete(kind);
    for (const kind of later.kinds.keys()) gone.delete(kind);
    return { kinds, gone };
  }

  messages({ kinds, gone }: KindsChange): TopicMessage[] {
    return this.#pages([...kinds.values()], [...gone]);
  }

  sizeOf({ kinds, gone }: KindsChange): number {
    return kinds.size + gone.size;
  }

  #pages(kinds: readonly KindView[], gone: readonly string[]): (TopicMessage & { type: 'kinds' })[] {
    const pages = Math.ceil(Math.max(kinds.length, gone.length) / LIMITS.maxItems);
    return Array.from({ length: pages }, (_, page) => {
      const from = page * LIMITS.maxItems;
      const names = gone.slice(from, from + LIMITS.maxItems);
      return {
        type: 'kinds',
        key: this.key,
        kinds: kinds.slice(from, from + LIMITS.maxItems),
        ...(names.length > 0 ? { gone: names } : {}),
      };
    });
  }
}

function textsOf(views: readonly KindView[]): Map<string, string> {
  return new Map(views.map((view) => [view.kind, JSON.stringify(view)]));
}
