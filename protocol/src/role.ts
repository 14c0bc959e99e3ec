/** Which role may send what, read off the tables that declare it. What is not in a row is answered with `forbidden`. */
import { ACTIONS } from './action.js';
import { column } from './column.js';
import { QUERIES } from './query.js';
import { UP_MESSAGES } from './up.js';

export { TOPIC_ROLES } from './topic.js';

export const MESSAGE_ROLES = column(UP_MESSAGES, 'roles');
export const QUERY_ROLES = column(QUERIES, 'roles');
export const ACTION_ROLES = column(ACTIONS, 'roles');
