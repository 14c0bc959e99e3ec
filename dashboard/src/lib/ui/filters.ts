/**
 * A page's filters in its URL, without empty ones. Uses replaceState, so that Back leaves the page instead of undoing a
 * letter.
 */
import { goto } from '$app/navigation';
import { page } from '$app/state';

type Changes = Readonly<Record<string, string | undefined>>;

/** Changes these parameters of the URL, and keeps the others. */
export function setFilters(changes: Changes): void {
  void goto(changed(changes), { replaceState: true, keepFocus: true, noScroll: true });
}

/** The page's URL with these parameters changed, for a link. */
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
