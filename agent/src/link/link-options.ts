/** What a link needs, and what it tells of its life. */
import type { DownOf } from '@rma/protocol/down';
import type { LoadSample } from '@rma/protocol/hardware';
import type { Assignment, WorkerHello } from '@rma/protocol/worker';
import type { ServiceStatus } from '@rma/workloads/runtime';
import type { AgentLog } from '../log.js';
import type { BlobFiles } from '../outbox/blob-files.js';
import type { Outbox } from '../outbox/outbox.js';
import type { Attempt } from './attempt.js';
import type { SessionEffect, SessionEnd } from './session.js';

export interface LinkOptions {
  /** The coordinator's WebSocket endpoint. */
  readonly url: string;
  /** The token to present now. */
  token(): string;
  /** What this worker says of itself. */
  describe(): Omit<WorkerHello, 'services' | 'running' | 'finished' | 'draining'>;
  readonly version: string;
  readonly outbox: Outbox;
  readonly blobs: BlobFiles;
  readonly log: AgentLog;
  /** The machine's load; none is sent without. */
  readonly sample?: (() => Promise<LoadSample>) | undefined;
  /** What is left of a service on the donor's terms; default: all. */
  readonly admit?: ((status: ServiceStatus) => ServiceStatus) | undefined;
  readonly events: LinkEvents;
}

export interface LinkEvents {
  /** The first thing that happens after a welcome: where the credential is kept. What it throws ends the agent. */
  joined(worker: NonNullable<DownOf<'welcome'>['worker']>, welcome: DownOf<'welcome'>): void;
  assigned(assignment: Assignment): void;
  /** The connection is gone, or could not be opened. */
  lost(lost: Extract<SessionEffect, { do: 'lost' }>): void;
  ended(end: SessionEnd): void;
  /** A defect, or a disk that fails where it must not. */
  failed(error: unknown): void;
  started(attempt: Attempt): void;
}
