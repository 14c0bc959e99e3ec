import { messageOf, pool } from '$lib/pool/pool.svelte.js';
import { toasts } from '$lib/ui/toasts.svelte.js';

/** Signs out, and says so where that did not work: the session then goes on. */
export async function signOut(): Promise<void> {
  try {
    await pool.signOut();
  } catch (error) {
    toasts.say(`You are still signed in: ${messageOf(error)}`, 'bad');
  }
}
