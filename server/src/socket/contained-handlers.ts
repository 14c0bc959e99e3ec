/**
 * Makes the handlers safe to call from a library's callback: what they throw, or reject with, goes to `error`.
 * A request's failure is HttpExchange's business, because it must also be answered.
 */
import type { TransportHandlers } from './transport.js';

/** The same handlers, none of which throws except `request`. */
export function containHandlers(handlers: TransportHandlers): TransportHandlers {
  const contain = (call: () => unknown): void => {
    try {
      // A handler may be an async function: TypeScript lets those pass for functions that return nothing.
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
