/**
 * Makes handlers safe to call from a library's callback: exceptions and rejections go to `error`. Those of `request` are
 * left to HttpExchange, which must also answer the request.
 */
import type { TransportHandlers } from './transport.js';

/** The same handlers, none of which throws except `request`. */
export function containHandlers(handlers: TransportHandlers): TransportHandlers {
  const contain = (call: () => unknown): void => {
    try {
      // TypeScript accepts an async function where a handler returns void.
      const result = call();
      if (result instanceof Promise) result.catch((error: unknown) => handlers.error(error));
    } catch (error) {
      handlers.error(error);
    }
  };
  return {
    upgrade: (head, protocols) => {
      try {
        return handlers.upgrade(head, protocols);
      } catch (error) {
        handlers.error(error);
        return { accept: false, status: 500, message: 'internal error' };
      }
    },
    open: (socket) => contain(() => handlers.open(socket)),
    message: (socket, data) => contain(() => handlers.message(socket, data)),
    drain: (socket) => contain(() => handlers.drain(socket)),
    close: (socket, code, reason) => contain(() => handlers.close(socket, code, reason)),
    request: (request) => handlers.request(request),
    error: (error) => handlers.error(error),
  };
}
