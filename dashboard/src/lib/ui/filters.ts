/** A page's filters in its address: what is empty is left out, and Back leaves the page rather than a letter. */
import { goto } from '$app/navigation';
import { page } from '$app/state';

/** Changes these parameters of the address, and keeps the others. */
export function setFilters(changes: Readonly<Record<string, string | undefined>>): void {
  const url = new URL(page.url);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  void goto(url, { replaceState: true, keepFocus: true, noScroll: true });
}
