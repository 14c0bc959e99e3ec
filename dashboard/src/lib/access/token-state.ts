/** Tokens on the Access page: their state, the consequences of revoking one, and the filter. Pure. */
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

/** The page's filter, as it is in the URL. */
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

/** The matching tokens: valid ones first, then by age, newest first. */
export function matchingTokens(
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

/** What happens when a token is revoked, one sentence each. */
export function consequencesOf(
  token: TokenView,
  { isOwn, tokens, now }: { isOwn: boolean; tokens: readonly TokenView[]; now: number },
): string[] {
  const lines: string[] = [];
  if (token.role === 'join') {
    lines.push('No more machines can join with it; its join link says that it was withdrawn.');
    lines.push('Machines that already joined stay: each has its own credential.');
  } else {
    lines.push('All connections and browser sessions that use it are closed at once and cannot reconnect.');
    if (token.role === 'client') lines.push('Its tasks continue; admins can still see them and their results.');
  }
  if (isOwn) lines.push('You are signed in with it: you will be signed out.');
  const others = tokens.filter((one) => one.role === 'admin' && one.id !== token.id && stateOf(one, now) === 'valid');
  if (token.role === 'admin' && others.length === 0)
    lines.push(
      'It is the last valid admin token. Without one nobody can manage the pool, until the coordinator is restarted with the file admin.token removed: it then creates a new one.',
    );
  lines.push('This cannot be undone.');
  return lines;
}

const MAX_NAME = 64;

/** The problem with a new token's name, or undefined. */
export function nameProblem(role: 'admin' | 'client', name: string): string | undefined {
  const trimmed = name.trim();
  if (trimmed === '') return 'Enter a name, so that you can recognise the token later.';
  const problem = plainProblem('A name', trimmed, MAX_NAME);
  if (problem !== undefined) return `${problem}.`;
  if (role === 'client' && trimmed === 'admin')
    return 'That name is reserved: a client called admin would own the admins’ tasks.';
  return undefined;
}
