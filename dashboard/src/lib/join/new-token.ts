/** The form values of a join token, their validation, and the request made of them. Pure. */
import type { NewToken } from '@rma/client';
import { plainProblem } from '../format/plain-text.js';

export interface Draft {
  readonly name: string;
  readonly owner: string;
  readonly trust: 'community' | 'trusted';
  /** As typed. */
  readonly uses: string;
  /** Seconds, as the choice's value. */
  readonly expires: string;
}

export const FRESH: Draft = { name: '', owner: '', trust: 'community', uses: '1', expires: '86400' };

export const EXPIRIES = [
  { value: '3600', label: '1 hour' },
  { value: '86400', label: '24 hours' },
  { value: '604800', label: '7 days' },
  { value: '2592000', label: '30 days' },
] as const;

export const TRUST_WORDS: Readonly<Record<Draft['trust'], string>> = {
  community:
    'Anybody’s machine. It gets only work that may run on strangers’ machines: never the pool’s databases and collections, never tasks that require trusted machines. Its results are accepted without a check.',
  trusted:
    'Your own machine. It may also keep the pool’s data (PostgreSQL, Redis, vectors, document collections) and gets tasks that require trusted machines. Whoever controls it can read all of that. One token admits one such machine.',
};

const MAX_NAME = 64;
const MAX_USES = 1_000_000;

/** Problems by field; empty if the token can be created. */
export function problemsOf({ name, owner, trust, uses }: Draft): Partial<Record<'name' | 'owner' | 'uses', string>> {
  const problems: Partial<Record<'name' | 'owner' | 'uses', string>> = {};
  const ofName = plainProblem('A name', name.trim(), MAX_NAME);
  if (ofName !== undefined) problems.name = `${ofName}.`;
  const ofOwner = plainProblem('A name', owner.trim(), MAX_NAME);
  if (ofOwner !== undefined) problems.owner = `${ofOwner}.`;
  const number = Number(uses);
  if (trust === 'community' && (!/^\d+$/.test(uses.trim()) || number < 1 || number > MAX_USES))
    problems.uses = 'Enter a number from 1 to 1,000,000.';
  return problems;
}

/** The token's name is also the machine's name if it admits only one. */
export function machineName({ name, trust, uses }: Draft): string | undefined {
  const isOne = trust === 'trusted' || Number(uses) === 1;
  return isOne && name.trim() !== '' ? name.trim() : undefined;
}

export function tokenOf(draft: Draft): NewToken {
  const { trust } = draft;
  const name = draft.name.trim() || 'invitation';
  const owner = draft.owner.trim() || draft.name.trim() || trust;
  const uses = trust === 'trusted' ? 1 : Number(draft.uses);
  return { role: 'join', name, owner, trust, uses, expiresInSeconds: Number(draft.expires) };
}
