/** Which groups of events the stream shows, as the address says: `?events=tasks,workers`. Pure. */
import { EVENT_GROUPS, type EventGroup, GROUP_TYPES } from '../events/sentence.js';

const PARAMETER = 'events';

/** All of them where the address names none that there is. */
export function groupsFrom(parameters: URLSearchParams): readonly EventGroup[] {
  const named = (parameters.get(PARAMETER) ?? '').split(',');
  const chosen = EVENT_GROUPS.filter((group) => named.includes(group));
  return chosen.length === 0 ? EVENT_GROUPS : chosen;
}

/** The address with a group taken in or out; one that would leave none, or all, names none. */
export function toggled(url: URL, group: EventGroup): string {
  const before = groupsFrom(url.searchParams);
  const isWhole = before.length === EVENT_GROUPS.length;
  const after = isWhole
    ? [group]
    : EVENT_GROUPS.filter((one) => (one === group ? !before.includes(one) : before.includes(one)));
  return withGroups(url, after);
}

export function withGroups(url: URL, groups: readonly EventGroup[]): string {
  const parameters = new URLSearchParams(url.searchParams);
  if (groups.length === 0 || groups.length === EVENT_GROUPS.length) parameters.delete(PARAMETER);
  else parameters.set(PARAMETER, groups.join(','));
  const query = parameters.toString().replaceAll('%2C', ',');
  return `${url.pathname}${query === '' ? '' : `?${query}`}`;
}

/** What the coordinator is asked for; undefined: everything. */
export function typesOf(groups: readonly EventGroup[]): readonly string[] | undefined {
  return groups.length === EVENT_GROUPS.length ? undefined : groups.flatMap((group) => GROUP_TYPES[group]);
}
