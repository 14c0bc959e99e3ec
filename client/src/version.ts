/** What this package calls itself on the wire. A test holds it against package.json. */
export const CLIENT_NAME = '@rma/client';
export const CLIENT_VERSION = '0.1.0';
