/** A page's filters in its address: what is empty is left out, and Back leaves the page rather than a letter. */
import { goto } from '$app/navigation';
import { page } from '$app/state';

type Changes = Readonly<Record<string, string | undefined>>;

/** Changes these parameters of the address, and keeps the others. */
export function setFilters(changes: Changes): void {
  void goto(changed(changes), { replaceState: true, keepFocus: true, noScroll: true });
}

/** The page's address with these parameters changed, for a link. */
export function filtered(changes: Changes): string {
  const { pathname, search } = changed(changes);
  return pathname + search;
}

function changed(changes: Changes): URL {
  const url = new URL(page.url);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url;
}
