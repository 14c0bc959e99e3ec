/** Chooses the transport: uWebSockets.js where its binary loads, else ws with a note for the log. */
import type { TransportFactory } from './transport.js';
import { loadUws } from './uws.js';
import { createWsTransport } from './ws.js';

/** The values of `--transport`. */
export const TRANSPORT_CHOICES = ['auto', 'uws', 'ws'] as const;
export type TransportChoice = (typeof TRANSPORT_CHOICES)[number];

export interface ChosenTransport {
  readonly name: 'uws' | 'ws';
  readonly factory: TransportFactory;
  /** Why the fallback was chosen, for the log. */
  readonly note?: string;
}

/** Thrown where `--transport uws` is given and the library does not load; the message says what to do. */
export class TransportUnavailable extends Error {
  constructor(reason: string) {
    super(
      `${reason}. Its binaries need glibc on Linux (2.27 for Node 20; 2.38, as in Debian 13 or Ubuntu 24.04, for Node 22 ` +
        'and later), macOS or Windows. Change Node or the system, or use --transport ws',
    );
    this.name = 'TransportUnavailable';
  }
}

/** Resolves a choice. `load` is a parameter so that a test can simulate a machine without the binary. */
export function chooseTransport(choice: TransportChoice, load: typeof loadUws = loadUws): ChosenTransport {
  if (choice === 'ws') return { name: 'ws', factory: createWsTransport };
  const uws = load();
  if (uws.ok) return { name: 'uws', factory: uws.factory };
  if (choice === 'uws') throw new TransportUnavailable(uws.reason);
  return { name: 'ws', factory: createWsTransport, note: `${uws.reason}; using ws instead, which is slower` };
}
