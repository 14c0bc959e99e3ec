/** A page of a list that grows with the pool: by id, within a frame. */

const PAGE = 1_000;
/** Well within a frame of either encoding: JSON is the larger one. */
const PAGE_BYTES = 524_288;

/** The views behind `after`, in the order of their ids, until the page is full. An empty page is the end. */
export function pageOf<T, V>(
  items: Iterable<T>,
  idOf: (item: T) => string,
  view: (item: T) => V,
  { after = '', limit = PAGE }: { after?: string; limit?: number },
): V[] {
  const rest = [...items].filter((item) => idOf(item) > after).sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const page: V[] = [];
  let bytes = 0;
  for (const item of rest) {
    if (page.length >= limit) break;
    const one = view(item);
    bytes += Buffer.byteLength(JSON.stringify(one));
    if (page.length > 0 && bytes > PAGE_BYTES) break;
    page.push(one);
  }
  return page;
}
