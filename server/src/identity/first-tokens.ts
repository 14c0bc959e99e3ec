/** The initial tokens of a pool: one file each for the admin, a client, joining workers, and the local worker. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeEffects } from '../core/effects.js';
import type { TokenRecord } from '../core/token.js';
import type { Store } from '../store/store.js';
import { writeSecret } from './secret-file.js';
import { shortId, type Tokens } from './tokens.js';

interface InitialToken {
  readonly file: string;
  readonly role: 'admin' | 'client' | 'join';
  readonly trust: 'community' | 'trusted';
  readonly usesLeft: number;
  /** Absent: it does not end. One that ended is made anew by the next start. */
  readonly lifeMs?: number;
}

const INITIAL: readonly InitialToken[] = [
  { file: 'admin', role: 'admin', trust: 'community', usesLeft: -1 },
  { file: 'client', role: 'client', trust: 'community', usesLeft: -1 },
  { file: 'join', role: 'join', trust: 'community', usesLeft: 1_000, lifeMs: 365 * 86_400_000 },
  // For the worker beside the coordinator: the admin's own machine, and no other.
  { file: 'local', role: 'join', trust: 'trusted', usesLeft: 1 },
];

/** Creates the missing ones; returns the files written. A token's record is on disk before its file. */
export async function ensureFirstTokens(
  directory: string,
  tokens: Tokens,
  store: Store,
  known: readonly TokenRecord[],
  wallMs: number,
): Promise<string[]> {
  const ids = new Set(known.map(({ id }) => id));
  const written: string[] = [];
  for (const first of INITIAL) {
    const file = join(directory, `${first.file}.token`);
    if (isKnown(file, tokens, ids) || (existsSync(file) && wasRevoked(known, first))) continue;
    const record: TokenRecord = {
      id: shortId('t-', 12),
      role: first.role,
      name: first.file,
      subject: first.file,
      owner: first.file === 'local' ? 'admin' : first.file,
      trust: first.trust,
      createdAt: wallMs,
      expiresAt: first.lifeMs === undefined ? 0 : wallMs + first.lifeMs,
      usesLeft: first.usesLeft,
      revokedAt: 0,
      lastUsedAt: 0,
    };
    const effects = makeEffects();
    effects.persist.tokens.add(record);
    await store.commit(effects.persist, wallMs);
    const { id, role, subject, expiresAt } = record;
    writeSecret(file, tokens.sign({ id, role, subject, expiresAt }));
    written.push(file);
  }
  return written;
}

/** One that was revoked before it ended is not made anew either. */
function wasRevoked(known: readonly TokenRecord[], { file, role }: InitialToken): boolean {
  const its = known.filter((token) => token.name === file && token.role === role);
  return its.length > 0 && its.every(({ revokedAt }) => revokedAt !== 0);
}

/** Whether a file holds a token of this pool. A revoked one counts: replacing it at a restart would undo the revocation. */
function isKnown(file: string, tokens: Tokens, ids: ReadonlySet<string>): boolean {
  if (!existsSync(file)) return false;
  try {
    return ids.has(tokens.verify(readFileSync(file, 'utf8').trim()).id);
  } catch {
    return false;
  }
}
