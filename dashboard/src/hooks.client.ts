/** Runs before the router reads the URL: the code of a sign-in link must not get into its state or the history. */
import { reloadWhereMissing } from '$lib/shell/renewal.js';
import { catchCode } from '$lib/shell/sign-in-link.js';

catchCode();
reloadWhereMissing();
