/**
 * The one connection of this page: who is signed in, the client over the socket, and how the connection is. Everything
 * that a page shows comes from `pool.client`.
 */
import { type Client, connect, ProtocolError, type SignedIn, signIn, signOut, whoAmI } from '@rma/client';

/** connecting: none yet. live. reconnecting: next try at `retryAt` (ms since 1970). offline: given up, `reason` says why. */
export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  | { readonly state: 'reconnecting'; readonly since: number; readonly retryAt: number; readonly reason: string }
  | { readonly state: 'offline'; readonly since: number; readonly reason: string };

/** Who uses this page. `ended`: the session was over in the middle of the work, and why. */
export type Session =
  | { readonly state: 'unknown' }
  | { readonly state: 'unreachable'; readonly reason: string }
  | { readonly state: 'nobody'; readonly ended?: string }
  | { readonly state: 'signed-in'; readonly who: SignedIn };

/** Asked again while a coordinator that is just starting does not answer. */
const FIRST_RETRY_MS = 1_000;
const RETRY_CAP_MS = 15_000;

class Pool {
  session = $state.raw<Session>({ state: 'unknown' });
  connection = $state.raw<Connection>({ state: 'connecting' });
  /** Of the coordinator that this page talks to. */
  version = $state<string>();
  /** The coordinator was replaced by another version: the page loads itself anew when nobody is at work on it. */
  isOutdated = $state(false);
  #client: Client | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /** Only where somebody is signed in: the pages below the shell. */
  get client(): Client {
    if (!this.#client) throw new Error('nobody is signed in');
    return this.#client;
  }

  get isAdmin(): boolean {
    return this.session.state === 'signed-in' && this.session.who.role === 'admin';
  }

  /** Finds out who is signed in, and connects. Tries for ever while the coordinator cannot be reached. */
  async open(attempt = 0): Promise<void> {
    clearTimeout(this.#retry);
    try {
      const who = await whoAmI();
      if (who) this.#enter(who);
      else this.session = { state: 'nobody' };
    } catch (error) {
      this.session = { state: 'unreachable', reason: messageOf(error) };
      const waitMs = Math.min(RETRY_CAP_MS, FIRST_RETRY_MS * 2 ** attempt) * (0.5 + Math.random() / 2);
      this.#retry = setTimeout(() => void this.open(attempt + 1), waitMs);
    }
  }

  /** @throws ProtocolError, in words for people, where the credential does not count */
  async signIn(credential: { token: string } | { code: string }): Promise<void> {
    this.#enter(await signIn(credential));
  }

  async signOut(): Promise<void> {
    await signOut();
    await this.#leave();
    this.session = { state: 'nobody' };
  }

  #enter(who: SignedIn): void {
    void this.#leave();
    this.connection = { state: 'connecting' };
    const client = connect({
      url: location.origin,
      // A coordinator at this page's own address: the cookie travels with it.
      insecure: true,
      onConnection: (change) => {
        if (client !== this.#client) return;
        if (change.state === 'connected') {
          this.connection = { state: 'live' };
          this.isOutdated ||= this.version !== undefined && this.version !== change.version;
          this.version = change.version;
          return;
        }
        const since = 'since' in this.connection ? this.connection.since : Date.now();
        const { reason, retryInMs } = change;
        if (Number.isFinite(retryInMs)) {
          this.connection = { state: 'reconnecting', since, retryAt: Date.now() + retryInMs, reason };
          return;
        }
        this.connection = { state: 'offline', since, reason };
        // A client that gave up tells why to whoever asks it for a session.
        client.ready().catch((error: unknown) => this.#turnedAway(error));
      },
    });
    this.#client = client;
    this.session = { state: 'signed-in', who };
  }

  /** The coordinator let us in before and does not any more: the token was revoked, or the time was up. */
  #turnedAway(error: unknown): void {
    const isRefusal = error instanceof ProtocolError && ['unauthenticated', 'forbidden'].includes(error.kind);
    if (!isRefusal) return;
    void this.#leave();
    this.session = { state: 'nobody', ended: error.message };
  }

  async #leave(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.close();
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export const pool = new Pool();
