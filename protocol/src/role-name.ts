/** The roles of a session. The tables of messages, queries, actions and topics say what each may send. */

export const ROLES = ['admin', 'client', 'join', 'worker'] as const;
export type Role = (typeof ROLES)[number];

/** The sets of roles that those tables use. What no set of a row names is answered with `forbidden`. */
export const ADMIN: readonly Role[] = ['admin'];
export const CLIENTS: readonly Role[] = ['admin', 'client'];
export const WORKER: readonly Role[] = ['worker'];
