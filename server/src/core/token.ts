/** A token's record: what its signature does not say (uses left, revocation), and whom it identifies. */
import type { Role } from '@rma/protocol/down';
import type { Trust } from '@rma/protocol/task';
import type { TokenView } from '@rma/protocol/view';

export interface TokenRecord {
  readonly id: string;
  readonly role: Role;
  readonly name: string;
  readonly subject: string;
  readonly owner: string;
  readonly trust: Trust;
  readonly createdAt: number;
  /** 0 for never. */
  readonly expiresAt: number;
  /** Joins that it still admits; -1: unlimited. */
  usesLeft: number;
  revokedAt: number;
  lastUsedAt: number;
}

export function viewToken(token: TokenRecord): TokenView {
  return {
    id: token.id,
    role: token.role,
    name: token.name,
    subject: token.subject,
    createdAt: token.createdAt,
    ...(token.expiresAt ? { expiresAt: token.expiresAt } : {}),
    ...(token.usesLeft >= 0 ? { usesLeft: token.usesLeft } : {}),
    ...(token.role === 'join' || token.role === 'worker' ? { trust: token.trust, owner: token.owner } : {}),
    ...(token.revokedAt ? { revokedAt: token.revokedAt } : {}),
    ...(token.lastUsedAt ? { lastUsedAt: token.lastUsedAt } : {}),
  };
}
