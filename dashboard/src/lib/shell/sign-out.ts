import { messageOf, pool } from '$lib/pool/pool.svelte.js';
import { toasts } from '$lib/ui/toasts.svelte.js';

/** Signs out; if that fails the session continues, and a toast says why. */
export async function signOut(): Promise<void> {
  try {
    await pool.signOut();
  } catch (error) {
    toasts.show(`You are still signed in: ${messageOf(error)}`, 'bad');
  }
}
