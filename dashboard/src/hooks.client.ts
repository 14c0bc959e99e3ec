/** Runs before the router looks at the address: the code of a sign-in link must not get into it, or into the history. */
import { reloadWhereMissing } from '$lib/shell/renewal.js';
import { catchCode } from '$lib/shell/sign-in-link.js';

catchCode();
reloadWhereMissing();
