/**
 * Globs for the output files of a job: `*` and `?` match within a directory, `**` across directories, and `**` + `/` also no
 * directory at all. Patterns and paths come from strangers, so a match simulates an automaton in O(pattern * path) steps
 * rather than run a regular expression, which takes exponential time for the like of `*a*a*a*a*b`.
 */

/** `deep` is `**`, `directories` is `**` + `/` before anything was taken, `inDirectories` afterwards. */
type State =
  | { readonly type: 'character'; readonly value: string }
  | { readonly type: 'any' | 'star' | 'deep' | 'directories' | 'inDirectories' };

/** Whether a path matches one of the globs. */
export function globMatcher(patterns: readonly string[]): (path: string) => boolean {
  const automata = patterns.map(compile);
  return (path) => automata.some((states) => accepts(states, path));
}

function compile(pattern: string): State[] {
  const tokens = pattern.replace(/^\.?\//, '').match(/\*\*\/|\*\*|./gsu) ?? [];
  return tokens.flatMap((token): State[] => {
    if (token === '**/') return [{ type: 'directories' }, { type: 'inDirectories' }];
    if (token === '**') return [{ type: 'deep' }];
    if (token === '*') return [{ type: 'star' }];
    return token === '?' ? [{ type: 'any' }] : [{ type: 'character', value: token }];
  });
}

function accepts(states: readonly State[], path: string): boolean {
  let current = new Set<number>();
  enter(states, current, 0);
  for (const character of path) {
    const next = new Set<number>();
    for (const at of current) {
      const state = states[at];
      if (state !== undefined) take(states, next, at, state, character);
    }
    if (next.size === 0) return false;
    current = next;
  }
  return current.has(states.length);
}

/** Adds the states that follow `at` once `character` is consumed. */
function take(states: readonly State[], next: Set<number>, at: number, state: State, character: string): void {
  switch (state.type) {
    case 'character':
      if (character === state.value) enter(states, next, at + 1);
      break;
    case 'any':
      if (character !== '/') enter(states, next, at + 1);
      break;
    case 'star':
      if (character !== '/') enter(states, next, at);
      break;
    case 'deep':
      enter(states, next, at);
      break;
    case 'directories':
    case 'inDirectories': {
      const loop = state.type === 'directories' ? at + 1 : at;
      next.add(loop);
      if (character === '/') enter(states, next, loop + 1);
    }
  }
}

/** Adds a state and those that are reached from it without consuming anything. */
function enter(states: readonly State[], next: Set<number>, at: number): void {
  for (let index = at; !next.has(index); ) {
    next.add(index);
    const type = states[index]?.type;
    if (type === 'star' || type === 'deep') index += 1;
    else if (type === 'directories') index += 2;
    else return;
  }
}
