/** The groups of events that the stream shows, as they are in the URL: `?events=tasks,workers`. Pure. */
import { EVENT_GROUPS, type EventGroup, GROUP_TYPES } from '../events/sentence.js';

const PARAMETER = 'events';

/** All groups if the URL names no valid one. */
export function groupsFrom(parameters: URLSearchParams): readonly EventGroup[] {
  const named = (parameters.get(PARAMETER) ?? '').split(',');
  const chosen = EVENT_GROUPS.filter((group) => named.includes(group));
  return chosen.length === 0 ? EVENT_GROUPS : chosen;
}

/** The URL with a group toggled. None and all are the same: no parameter. */
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

/** The type prefixes to subscribe to; undefined: all. */
export function typesOf(groups: readonly EventGroup[]): readonly string[] | undefined {
  return groups.length === EVENT_GROUPS.length ? undefined : groups.flatMap((group) => GROUP_TYPES[group]);
}
