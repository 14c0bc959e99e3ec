/** The kinds that "Try it" offers, by group: those of the manifests, and those that only this pool has. Pure. */
import type { InputForm, KindManifest } from '@rma/workloads/manifest';
import { KINDS } from '@rma/workloads/manifests';

export type InputMode = InputForm['mode'];

export interface KnownKind {
  readonly kind: string;
  readonly group: string;
  readonly about: string;
  /** file: a file and further fields; text: one text; json: anything. */
  readonly mode: InputMode;
  /** text: the text; json: the value; file: the further fields. */
  readonly example: unknown;
  /** Files that it takes, as an `accept` of a file field has them. */
  readonly accept?: string;
  /** Stands for a file that is not chosen yet. */
  readonly fileName?: string;
}

/** The groups in the order in which they are shown; others follow. */
const GROUPS = ['Documents', 'Text', 'Retrieval', 'Vectors', 'Programs', 'First steps'];

export const KNOWN_KINDS: readonly KnownKind[] = [...KINDS]
  .flatMap(([kind, { about, examples, form }]) =>
    form ? [{ ...form, kind, about, example: exampleOf(examples[0], form) }] : [],
  )
  .sort((a, b) => GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group));

function exampleOf({ input }: KindManifest['examples'][0], { mode }: InputForm): unknown {
  return mode === 'text' && typeof input === 'object' && input !== null && 'text' in input ? input.text : input;
}

const BY_KIND = new Map(KNOWN_KINDS.map((known) => [known.kind, known]));

/** A kind that only this pool knows takes JSON. */
export function knownKind(kind: string): KnownKind {
  return BY_KIND.get(kind) ?? { kind, group: 'Of this pool', about: '', mode: 'json', example: {} };
}

export interface KindChoice {
  readonly kind: string;
  /** Workers that serve it now. */
  readonly workers: number;
}

export interface KindGroup {
  readonly group: string;
  readonly kinds: readonly KindChoice[];
}

/** The built-in ones and those of the pool, by group, each with how many workers serve it now. */
export function groupKinds(
  served: readonly { readonly kind: string; readonly workers: number }[],
): readonly KindGroup[] {
  const workers = new Map(served.map(({ kind, workers }) => [kind, workers]));
  const groups = new Map<string, KindChoice[]>();
  const others = [...workers.keys()].filter((kind) => !BY_KIND.has(kind)).sort();
  for (const kind of [...KNOWN_KINDS.map(({ kind }) => kind), ...others]) {
    const { group } = knownKind(kind);
    const list = groups.get(group) ?? [];
    groups.set(group, list);
    list.push({ kind, workers: workers.get(kind) ?? 0 });
  }
  return [...groups].map(([group, kinds]) => ({ group, kinds }));
}
