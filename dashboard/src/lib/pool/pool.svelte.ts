/**
 * The one connection of this page: who is signed in, the client over the socket, and how the connection is. Everything
 * that a page shows comes from `pool.client`.
 */
import { type Client, connect, ProtocolError, type SignedIn, signIn, signOut, whoAmI } from '@rma/client';
import { clock } from './clock.svelte.js';
import { forgetVisit, isReturning, onOtherTab, rememberVisit } from './visit.js';

/**
 * connecting: none yet. live. reconnecting: next try at `retryAt` (ms since 1970, this machine's clock). offline: given up,
 * `reason` says why. `since` is the coordinator's time.
 */
export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  | { readonly state: 'reconnecting'; readonly since: number; readonly retryAt: number; readonly reason: string }
  | { readonly state: 'offline'; readonly since: number; readonly reason: string };

/**
 * Who uses this page. `ended`: somebody was signed in, and is not any more, and why. `problem`: what was wrong with the
 * link that was to sign in.
 */
export type Session =
  | { readonly state: 'unknown' }
  | { readonly state: 'unreachable'; readonly reason: string }
  | { readonly state: 'nobody'; readonly ended?: string; readonly problem?: string }
  | { readonly state: 'signed-in'; readonly who: SignedIn };

/** Asked again while a coordinator that is just starting does not answer. */
const FIRST_RETRY_MS = 1_000;
const RETRY_CAP_MS = 15_000;
/** The cookie ends two weeks after it was last renewed: a page that stays open for weeks renews it now and then. */
const RENEW_MS = 12 * 3_600_000;
/** A connection that is turned away earlier would be turned away again. */
const LASTING_MS = 60_000;
const OVER = 'the session is over; sign in again';

class Pool {
  session = $state.raw<Session>({ state: 'unknown' });
  connection = $state.raw<Connection>({ state: 'connecting' });
  /** Of the coordinator that this page talks to. */
  version = $state<string>();
  /** The coordinator was replaced by another version: the page loads itself anew when nobody is at work on it. */
  isOutdated = $state(false);
  #client: Client | undefined;
  /** When the connection was opened, ms of the page's own time. */
  #enteredAt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /** Only where somebody is signed in: the pages below the shell. */
  get client(): Client {
    if (!this.#client) throw new Error('nobody is signed in');
    return this.#client;
  }

  get isAdmin(): boolean {
    return this.session.state === 'signed-in' && this.session.who.role === 'admin';
  }

  /**
   * Finds out who is signed in, and connects. Tries for ever while the coordinator cannot be reached.
   * @param code of a link that signs in: it is tried first, and whoever is signed in already needs none
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

  /** While the page is open: renews the session now and then, and follows this browser's other tabs. @returns stops */
  attend(): () => void {
    const timer = setInterval(() => void this.#renew(), RENEW_MS);
    const leave = onOtherTab((subject) => {
      if (subject === null) void this.#leave().then(() => this.#nobody('you signed out in another tab'));
      else if (this.session.state !== 'signed-in' || this.session.who.subject !== subject) void this.open();
    });
    return () => {
      clearInterval(timer);
      leave();
    };
  }

  /** @throws ProtocolError, in words for people, where the credential does not count */
  async signIn(credential: { token: string } | { code: string }): Promise<void> {
    this.#enter(await signIn(credential));
  }

  /** @throws ProtocolError where the coordinator cannot be reached: the session goes on */
  async signOut(): Promise<void> {
    await signOut();
    forgetVisit();
    await this.#leave();
    this.session = { state: 'nobody' };
  }

  /** @returns what is wrong with the code @throws ProtocolError of kind `unavailable` */
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
      // The next time will do; where the session is over, the connection says so.
      console.info('the session was not renewed', error);
    }
  }

  #nobody(ended: string): void {
    if (this.session.state !== 'nobody') this.session = { state: 'nobody', ended };
  }

  #enter(who: SignedIn): void {
    void this.#leave();
    this.#enteredAt = performance.now();
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
        const since = 'since' in this.connection ? this.connection.since : clock.exact();
        const { reason, retryInMs } = change;
        if (Number.isFinite(retryInMs)) {
          this.connection = { state: 'reconnecting', since, retryAt: Date.now() + retryInMs, reason };
          return;
        }
        this.connection = { state: 'offline', since, reason };
        // A client that gave up tells why to whoever asks it for a session.
        client.ready().catch((error: unknown) => this.#turnedAway(client, error));
      },
    });
    this.#client = client;
    this.session = { state: 'signed-in', who };
    rememberVisit(who.subject);
  }

  /**
   * The coordinator let us in before and does not any more: the token was revoked, or the time was up. A socket lasts as
   * long as the cookie that it was opened with, which may have been renewed meanwhile: then another one is opened.
   */
  async #turnedAway(client: Client, error: unknown): Promise<void> {
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
  return error instanceof Error ? error.message : String(error);
}

export const pool = new Pool();
