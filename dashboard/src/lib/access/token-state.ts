/** Tokens as the page Access shows them: whether they count, what ending one means, and which a filter lets through. Pure. */
import type { TokenView } from '@rma/client';
import { plainProblem } from '../format/plain-text.js';
import type { Tone } from '../ui/tone.js';

export type TokenState = 'valid' | 'expired' | 'used up' | 'revoked';
export const TOKEN_STATES: readonly TokenState[] = ['valid', 'expired', 'used up', 'revoked'];
export const STATE_TONES: Readonly<Record<TokenState, Tone>> = {
  valid: 'ok',
  expired: 'plain',
  'used up': 'plain',
  revoked: 'bad',
};

/** @param now the coordinator's time, ms */
export function stateOf({ revokedAt, expiresAt, usesLeft }: TokenView, now: number): TokenState {
  if (revokedAt !== undefined) return 'revoked';
  if (expiresAt !== undefined && expiresAt <= now) return 'expired';
  return usesLeft === 0 ? 'used up' : 'valid';
}

/** What the page shows, as its address says it. */
export interface TokenFilter {
  readonly role: '' | 'admin' | 'client' | 'join';
  readonly state: '' | TokenState;
  readonly text: string;
}

export function readTokenFilter(params: URLSearchParams): TokenFilter {
  const role = params.get('role') ?? '';
  const state = params.get('state') ?? '';
  return {
    role: role === 'admin' || role === 'client' || role === 'join' ? role : '',
    state: TOKEN_STATES.find((one) => one === state) ?? '',
    text: params.get('q') ?? '',
  };
}

/** Those that fit: the ones that count first, and the newest of them. */
export function tokensThatFit(
  tokens: readonly TokenView[],
  { role, state, text }: TokenFilter,
  now: number,
): readonly TokenView[] {
  const wanted = text.trim().toLowerCase();
  const holds = (token: TokenView) =>
    wanted === '' ||
    [token.id, token.name, token.subject, token.owner ?? ''].some((field) => field.toLowerCase().includes(wanted));
  const rank = (token: TokenView) => (stateOf(token, now) === 'valid' ? 0 : 1);
  return tokens
    .filter(
      (token) =>
        (role === '' || token.role === role) && (state === '' || stateOf(token, now) === state) && holds(token),
    )
    .sort((a, b) => rank(a) - rank(b) || b.createdAt - a.createdAt);
}

/** What will happen when a token is revoked, one sentence each. */
export function consequencesOf(
  token: TokenView,
  { isOwn, tokens, now }: { isOwn: boolean; tokens: readonly TokenView[]; now: number },
): string[] {
  const lines: string[] = [];
  if (token.role === 'join') {
    lines.push('No machine can join with it any more, and its join link says so.');
    lines.push('Machines that joined with it stay: each has a credential of its own.');
  } else {
    lines.push('Connections and browsers that use it are ended at once, and cannot come back with it.');
    if (token.role === 'client') lines.push('Its tasks go on; their results are kept, and admins can see them.');
  }
  if (isOwn) lines.push('You are signed in with it: you will be signed out.');
  const others = tokens.filter((one) => one.role === 'admin' && one.id !== token.id && stateOf(one, now) === 'valid');
  if (token.role === 'admin' && others.length === 0)
    lines.push(
      'It is the last admin token that counts. Afterwards nobody can manage the pool, until the coordinator is started without the file admin.token: then it makes a new one.',
    );
  lines.push('This cannot be undone.');
  return lines;
}

const MAX_NAME = 64;

/** What is wrong with a new token's name; undefined: nothing. */
export function nameProblem(role: 'admin' | 'client', name: string): string | undefined {
  const trimmed = name.trim();
  if (trimmed === '') return 'Say what it is for, so that it can be told from others later.';
  const problem = plainProblem('A name', trimmed, MAX_NAME);
  if (problem !== undefined) return `${problem}.`;
  if (role === 'client' && trimmed === 'admin')
    return 'That name is taken: a client called admin would own the admins’ tasks.';
  return undefined;
}
