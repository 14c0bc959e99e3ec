/** What an invitation is valid for, or why not, in words for people who have never seen the pool. Pure. */
import type { JoinInfo } from '@rma/client';
import { count } from '../format/number.js';
import { ago, fullTime, NEAR_MS } from '../format/time.js';

/** "for 3 more machines, until 22 Nov 2026, 14:02:31 (in 24 h)" */
export function validityText({ usesLeft, expiresAt }: Pick<JoinInfo, 'usesLeft' | 'expiresAt'>, now: number): string {
  const machines = usesLeft === undefined ? 'for any number of machines' : `for ${count(usesLeft, 'more machine')}`;
  if (expiresAt === undefined) return `${machines}, until it is revoked`;
  // Far away, the date is enough.
  const distance = expiresAt - now > NEAR_MS ? '' : ` (${ago(expiresAt, now).replaceAll(' ', '\u00a0')})`;
  return `${machines}, until ${fullTime(expiresAt)}${distance}`;
}

export interface InvitationProblem {
  readonly title: string;
  readonly text: string;
  /** It may be temporary: retry. */
  readonly mayPass: boolean;
}

export const NO_TOKEN: InvitationProblem = {
  title: 'This link is incomplete',
  text: 'The link of an invitation ends with a # and a long token, which is missing here; it may have been lost in copying. Ask whoever invited you to send the link again, and open all of it.',
  mayPass: false,
};

/** The problem of a known invitation that is no longer valid. */
export function endedInvitation(info: JoinInfo): InvitationProblem {
  const reason = info.reason ?? '';
  if (/expired/.test(reason))
    return problem(
      'This invitation has expired',
      `It was valid until ${info.expiresAt ? fullTime(info.expiresAt) : 'a while ago'}.`,
    );
  if (/used up/.test(reason))
    return problem('This invitation has been used', 'As many machines have joined with it as it was for.');
  if (/revoked/.test(reason)) return problem('This invitation was withdrawn', 'An admin of the pool revoked it.');
  return problem('This invitation is no longer valid', reason);
}

/** The problem of a token that the coordinator rejected. @param kind of its ProtocolError */
export function refusedInvitation(kind: string, message: string): InvitationProblem {
  if (/expired/.test(message)) return problem('This invitation has expired', 'It was valid for a limited time.');
  if (/revoked/.test(message)) return problem('This invitation was withdrawn', 'An admin of the pool revoked it.');
  if (kind === 'forbidden')
    return {
      title: 'This is a key, not an invitation',
      text: 'The text after the # is a token that gives access to the pool; machines cannot join with it. Keep it secret, and ask for a join link.',
      mayPass: false,
    };
  if (kind === 'unauthenticated' || kind === 'invalid')
    return problem(
      'This is not an invitation to this pool',
      'Part of the link may be missing, or it belongs to another pool.',
    );
  return {
    title: 'The pool does not answer',
    text: `Trying again automatically. ${message}`,
    mayPass: true,
  };
}

function problem(title: string, text: string): InvitationProblem {
  return {
    title,
    text: `${text} Nothing was changed on this machine. Ask whoever invited you for a new link.`,
    mayPass: false,
  };
}
