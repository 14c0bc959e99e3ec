/** Looks up what a join token is valid for, for the page behind a join link. */
import { type ErrorKind, errorMessage, ProtocolError } from '@rma/protocol/error';
import type { JoinInfo } from '@rma/protocol/view';

/**
 * Looks up what a join token is valid for, without using it. The token is sent in the body, so that no log has it.
 * @param url the coordinator's address; empty: the page's own
 * @throws ProtocolError of kind `unauthenticated` for an unknown or expired token, `forbidden` for one of
 * another role, `unavailable` where the coordinator cannot be reached
 */
export async function joinInfo(token: string, url = ''): Promise<JoinInfo> {
  let response: Response;
  try {
    response = await fetch(`${url.replace(/\/$/, '')}/api/join-info`, {
      method: 'POST',
      credentials: 'same-origin',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    });
  } catch (error) {
    const why = errorMessage(error);
    throw new ProtocolError('unavailable', `the coordinator cannot be reached (${why}); try again`);
  }
  const answer = (await response.json().catch(() => undefined)) as
    | (JoinInfo & { error?: { kind: ErrorKind; message: string } })
    | undefined;
  if (response.ok && answer) return answer;
  const { kind = 'unavailable', message = `the coordinator answered ${response.status}` } = answer?.error ?? {};
  throw new ProtocolError(kind, message);
}
