/**
 * The wire contract in canonical form, and its hash. Two builds with the same hash speak the same protocol; descriptions
 * do not count. tests/protocol/history.test.ts holds it against protocol/history.json.
 */
import { createHash } from 'node:crypto';
import { ACTIONS } from '@rma/protocol/action';
import { column } from '@rma/protocol/column';
import { DOWN, ROLES } from '@rma/protocol/down';
import { CLOSE, ERROR_KINDS } from '@rma/protocol/error';
import { EVENT_TYPES } from '@rma/protocol/event';
import { LIMITS } from '@rma/protocol/limits';
import { HEARTBEAT_MS, SILENCE_MS } from '@rma/protocol/liveness';
import { QUERIES } from '@rma/protocol/query';
import { CancelReply, CancelsReply, EventsReply, TopicReply } from '@rma/protocol/reply';
import { ACTION_ROLES, MESSAGE_ROLES, QUERY_ROLES, TOPIC_ROLES } from '@rma/protocol/role';
import { TASK_MOVES } from '@rma/protocol/task';
import { UP } from '@rma/protocol/up';
import { FEATURES, PROTOCOL_VERSION, SOCKET_PATH, SUBPROTOCOLS } from '@rma/protocol/version';

/** All that a peer could observe a change of. */
function contract() {
  return {
    version: PROTOCOL_VERSION,
    path: SOCKET_PATH,
    subprotocols: SUBPROTOCOLS,
    features: FEATURES,
    roles: { names: ROLES, messages: MESSAGE_ROLES, queries: QUERY_ROLES, topics: TOPIC_ROLES, actions: ACTION_ROLES },
    up: UP,
    down: DOWN,
    replies: {
      queries: column(QUERIES, 'reply'),
      actions: column(ACTIONS, 'reply'),
      cancel: CancelReply,
      cancels: CancelsReply,
      subscribe: { events: EventsReply, topic: TopicReply },
    },
    close: Object.fromEntries(Object.entries(CLOSE).map(([name, { code, retry }]) => [name, { code, retry }])),
    errors: Object.keys(ERROR_KINDS),
    events: Object.keys(EVENT_TYPES),
    limits: LIMITS,
    liveness: { HEARTBEAT_MS, SILENCE_MS },
    moves: TASK_MOVES,
  };
}

/**
 * JSON with sorted keys and without descriptions. Enumerations and lists of required fields are sets: sorted, too.
 * @param {unknown} value
 * @param {string} [key] under which the value stands
 * @returns {string}
 */
export function canonical(value, key) {
  if (Array.isArray(value)) {
    const items = value.map((item) => canonical(item));
    return `[${(key === 'required' || key === 'enum' ? items.sort() : items).join(',')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const isFields = key === 'properties';
    const fields = Object.entries(value)
      .filter(([name, item]) => item !== undefined && (isFields || (name !== 'description' && !name.startsWith('~'))))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => `${JSON.stringify(name)}:${canonical(item, isFields ? undefined : name)}`);
    return `{${fields.join(',')}}`;
  }
  return typeof value === 'function' ? '"(function)"' : JSON.stringify(value);
}

/** @returns {string} the first 16 hexadecimal digits of the SHA-256 of the wire contract */
export function wireHash() {
  return createHash('sha256').update(canonical(contract())).digest('hex').slice(0, 16);
}
