/** The page's session and its one connection: who is signed in, the client, and the state of the connection. */
import { type Client, connect, ProtocolError, type SignedIn, signIn, signOut, whoAmI } from '@rma/client';
import { errorMessage } from '@rma/protocol/error';
import { clock } from './clock.svelte.js';
import { forgetVisit, isReturning, onOtherTab, rememberVisit } from './visit.js';

/**
 * connecting: the first attempt. live: connected. reconnecting: next attempt at `retryAt` (ms since 1970, local clock).
 * offline: no more attempts, because of `reason`. `since` is in the coordinator's time.
 */
export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  | { readonly state: 'reconnecting'; readonly since: number; readonly retryAt: number; readonly reason: string }
  | { readonly state: 'offline'; readonly since: number; readonly reason: string };

/**
 * The session of this page. `ended`: why an earlier session ended. `problem`: why the sign-in link was rejected.
 */
export type Session =
  | { readonly state: 'unknown' }
  | { readonly state: 'unreachable'; readonly reason: string }
  | { readonly state: 'nobody'; readonly ended?: string; readonly problem?: string }
  | { readonly state: 'signed-in'; readonly who: SignedIn };

/** Backoff of the first request, while the coordinator may be starting. */
const FIRST_RETRY_MS = 1_000;
const RETRY_CAP_MS = 15_000;
/** The cookie expires two weeks after its last renewal; a page that stays open renews it this often. */
const RENEW_MS = 12 * 3_600_000;
/** A connection rejected sooner than this after sign-in is not tried again with the same cookie. */
const LASTING_MS = 60_000;
const OVER = 'the session has ended; sign in again';

class Pool {
  session = $state.raw<Session>({ state: 'unknown' });
  connection = $state.raw<Connection>({ state: 'connecting' });
  /** The coordinator's version. */
  version = $state<string>();
  /** The coordinator now has another version: the page reloads when it is idle. */
  isOutdated = $state(false);
  #client: Client | undefined;
  /** When the session was entered, by performance.now(). */
  #enteredAt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /** @throws if nobody is signed in; pages below the shell may rely on it */
  get client(): Client {
    if (!this.#client) throw new Error('nobody is signed in');
    return this.#client;
  }

  get isAdmin(): boolean {
    return this.session.state === 'signed-in' && this.session.who.role === 'admin';
  }

  /**
   * Finds out who is signed in, and connects. Retries without end while the coordinator cannot be reached.
   * @param code of a sign-in link, tried first; if it is rejected, an existing session still counts
   */
  async open(code?: string, attempt = 0): Promise<void> {
    clearTimeout(this.#retry);
    let problem: string | undefined;
    try {
      if (code !== undefined) {
        problem = await this.#redeem(code);
        if (problem === undefined) return;
      }
      const who = await whoAmI();
      if (who) this.#enter(who);
      else if (problem !== undefined) this.session = { state: 'nobody', problem };
      else this.session = { state: 'nobody', ...(isReturning() ? { ended: OVER } : {}) };
    } catch (error) {
      this.session = { state: 'unreachable', reason: messageOf(error) };
      const waitMs = Math.min(RETRY_CAP_MS, FIRST_RETRY_MS * 2 ** attempt) * (0.5 + Math.random() / 2);
      this.#retry = setTimeout(() => void this.open(code, attempt + 1), waitMs);
    }
  }

  /** Renews the session regularly, and follows sign-ins and sign-outs of other tabs. @returns stops both */
  maintain(): () => void {
    const timer = setInterval(() => void this.#renew(), RENEW_MS);
    const stopListening = onOtherTab((subject) => {
      if (subject === null) void this.#leave().then(() => this.#signedOut('you signed out in another tab'));
      else if (this.session.state !== 'signed-in' || this.session.who.subject !== subject) void this.open();
    });
    return () => {
      clearInterval(timer);
      stopListening();
    };
  }

  /** @throws ProtocolError with a message for people, if the credential is invalid */
  async signIn(credential: { token: string } | { code: string }): Promise<void> {
    this.#enter(await signIn(credential));
  }

  /** @throws ProtocolError if the coordinator cannot be reached; the session then continues */
  async signOut(): Promise<void> {
    await signOut();
    forgetVisit();
    await this.#leave();
    this.session = { state: 'nobody' };
  }

  /** @returns why the code was rejected, or undefined @throws ProtocolError of kind `unavailable` */
  async #redeem(code: string): Promise<string | undefined> {
    try {
      this.#enter(await signIn({ code }));
      return undefined;
    } catch (error) {
      if (error instanceof ProtocolError && error.kind !== 'unavailable') return error.message;
      throw error;
    }
  }

  async #renew(): Promise<void> {
    if (this.session.state !== 'signed-in') return;
    try {
      await whoAmI();
    } catch (error) {
      // Retried at the next interval; if the session has ended, the connection reports it.
      console.info('the session was not renewed', error);
    }
  }

  #signedOut(ended: string): void {
    if (this.session.state !== 'nobody') this.session = { state: 'nobody', ended };
  }

  #enter(who: SignedIn): void {
    void this.#leave();
    this.#enteredAt = performance.now();
    this.connection = { state: 'connecting' };
    const client = connect({
      url: location.origin,
      // Same origin as the page: the request carries the cookie.
      insecure: true,
      onConnection: (change) => {
        if (client !== this.#client) return;
        if (change.state === 'connected') {
          this.connection = { state: 'live' };
          this.isOutdated ||= this.version !== undefined && this.version !== change.version;
          this.version = change.version;
          return;
        }
        const since = 'since' in this.connection ? this.connection.since : clock.exact();
        const { reason, retryInMs } = change;
        if (Number.isFinite(retryInMs)) {
          this.connection = { state: 'reconnecting', since, retryAt: Date.now() + retryInMs, reason };
          return;
        }
        this.connection = { state: 'offline', since, reason };
        // After the client stopped, ready() rejects with the reason.
        client.ready().catch((error: unknown) => this.#rejected(client, error));
      },
    });
    this.#client = client;
    this.session = { state: 'signed-in', who };
    rememberVisit(who.subject);
  }

  /**
   * The coordinator rejected the connection: the token was revoked, or the cookie that the socket was opened with
   * expired. In the second case a renewed cookie may exist: then reconnect with it.
   */
  async #rejected(client: Client, error: unknown): Promise<void> {
    const isRefusal = error instanceof ProtocolError && ['unauthenticated', 'forbidden'].includes(error.kind);
    if (!isRefusal || client !== this.#client) return;
    if (performance.now() - this.#enteredAt > LASTING_MS) {
      const who = await whoAmI().catch(() => null);
      if (client !== this.#client) return;
      if (who) {
        this.#enter(who);
        return;
      }
    }
    void this.#leave();
    forgetVisit();
    this.session = { state: 'nobody', ended: error.message };
  }

  async #leave(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.close();
  }
}

export function messageOf(error: unknown): string {
  return errorMessage(error);
}

export const pool = new Pool();
