/** The protocol's version, subprotocol names and optional features. */

/** Raised only when a peer of the old version could not go on; additions are announced as features. */
export const PROTOCOL_VERSION = 1;

export const SUBPROTOCOL_MSGPACK = 'rma.v1.msgpack';
export const SUBPROTOCOL_JSON = 'rma.v1.json';
/** In the order in which the coordinator prefers them. */
export const SUBPROTOCOLS = [SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON] as const;
export type Subprotocol = (typeof SUBPROTOCOLS)[number];

/** What this version can do beyond its base; `welcome` answers with what both sides know. */
export const FEATURES = ['blobs', 'cancels', 'credit'] as const;
export type Feature = (typeof FEATURES)[number];

/** The path of the one WebSocket endpoint. */
export const SOCKET_PATH = '/ws';
