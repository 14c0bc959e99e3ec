/** Authorization of a message by the session's role, by the protocol's tables. */
import { ProtocolError } from '@rma/protocol/error';
import { ACTION_ROLES, MESSAGE_ROLES, QUERY_ROLES, TOPIC_ROLES } from '@rma/protocol/role';
import type { Up } from '@rma/protocol/up';
import type { Connection } from './connection.js';

/** @throws ProtocolError of kind `forbidden` */
export function authorize(connection: Connection, message: Up): void {
  const role = connection.role!;
  const roles = rolesOf(message);
  if (roles.includes(role)) return;
  throw new ProtocolError(
    'forbidden',
    `the role '${role}' may not send ${nameOf(message)}; it takes ${roles.join(' or ')}`,
  );
}

function rolesOf(message: Up): readonly string[] {
  switch (message.type) {
    case 'query':
      return QUERY_ROLES[message.query.what];
    case 'act':
      return ACTION_ROLES[message.action.do];
    case 'subscribe':
      return TOPIC_ROLES[message.topic];
    default:
      return MESSAGE_ROLES[message.type];
  }
}

function nameOf(message: Up): string {
  switch (message.type) {
    case 'query':
      return `the query '${message.query.what}'`;
    case 'act':
      return `the action '${message.action.do}'`;
    case 'subscribe':
      return `'subscribe' to '${message.topic}'`;
    default:
      return `'${message.type}'`;
  }
}
