/**
 * A part of the app that cannot be loaded (its coordinator was just replaced or restarted) is loaded with the whole page
 * anew: once, and not while something would be lost.
 */
import { isBusy } from '$lib/shell/renewal.js';

const KEY = 'rma.reloadedAt';
/** Twice in so short a time, and loading anew is not what helps. */
const AGAIN_MS = 10_000;

addEventListener('vite:preloadError', (event) => {
  if (isBusy() || Date.now() - lastReload() < AGAIN_MS || !remembered()) return;
  event.preventDefault();
  location.reload();
});

function lastReload(): number {
  try {
    return Number(sessionStorage.getItem(KEY));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Without storage nobody could tell how often it was tried: then it is not tried. */
function remembered(): boolean {
  try {
    sessionStorage.setItem(KEY, String(Date.now()));
    return true;
  } catch {
    return false;
  }
}
