/** What an invitation is still good for, in words for people who have never seen the pool. Pure. */
import type { JoinInfo } from '@rma/client';
import { count } from '../format/number.js';
import { ago, fullTime, NEAR_MS } from '../format/time.js';

/** "for 3 more machines, until 22 Nov 2026, 14:02:31 (in 24 h)" */
export function validityText({ usesLeft, expiresAt }: Pick<JoinInfo, 'usesLeft' | 'expiresAt'>, now: number): string {
  const machines = usesLeft === undefined ? 'for any number of machines' : `for ${count(usesLeft, 'more machine')}`;
  if (expiresAt === undefined) return `${machines}, for as long as nobody ends it`;
  // Of what is far the date says enough.
  const distance = expiresAt - now > NEAR_MS ? '' : ` (${ago(expiresAt, now).replaceAll(' ', '\u00a0')})`;
  return `${machines}, until ${fullTime(expiresAt)}${distance}`;
}

export interface Trouble {
  readonly title: string;
  readonly text: string;
  /** It may go away by itself: worth another try. */
  readonly mayPass: boolean;
}

export const NO_TOKEN: Trouble = {
  title: 'This link is not complete',
  text: 'An invitation ends with a # and a long row of letters behind it. Part of it was lost, perhaps where it was copied. Ask whoever invited you to send it again, and open it whole.',
  mayPass: false,
};

/** The invitation is known, and does not count any more. */
export function endedTrouble(info: JoinInfo): Trouble {
  const reason = info.reason ?? '';
  if (/expired/.test(reason))
    return trouble(
      'This invitation has expired',
      `It was good until ${info.expiresAt ? fullTime(info.expiresAt) : 'a while ago'}.`,
    );
  if (/used up/.test(reason))
    return trouble('This invitation has been used', 'A machine has joined with it, and it was for no more than that.');
  if (/revoked/.test(reason)) return trouble('This invitation was withdrawn', 'The admin of the pool has ended it.');
  return trouble('This invitation does not count any more', reason);
}

/** The coordinator did not take the token at all. `kind` is that of its ProtocolError. */
export function refusedTrouble(kind: string, message: string): Trouble {
  if (/expired/.test(message)) return trouble('This invitation has expired', 'It was good for a limited time.');
  if (/revoked/.test(message)) return trouble('This invitation was withdrawn', 'The admin of the pool has ended it.');
  if (kind === 'forbidden')
    return {
      title: 'This is a key, not an invitation',
      text: 'What stands behind the # opens the pool to whoever has it, and is not for joining. Keep it to yourself, and ask for a join link.',
      mayPass: false,
    };
  if (kind === 'unauthenticated' || kind === 'invalid')
    return trouble(
      'This is no invitation to this pool',
      'The link may have lost a part where it was copied, or belong to another pool.',
    );
  return {
    title: 'The pool does not answer',
    text: `It is tried again by itself. ${message}`,
    mayPass: true,
  };
}

function trouble(title: string, text: string): Trouble {
  return {
    title,
    text: `${text} Nothing was changed on this machine. Ask whoever invited you for a new link.`,
    mayPass: false,
  };
}
