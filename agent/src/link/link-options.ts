/** What a link needs, and what it reports. */
import type { SessionLost } from '@rma/peer/session';
import type { Welcome } from '@rma/protocol/down';
import type { CloseName } from '@rma/protocol/error';
import type { LoadSample } from '@rma/protocol/hardware';
import type { Assignment, WorkerHello } from '@rma/protocol/worker';
import type { ServiceStatus } from '@rma/workloads/runtime';
import type { Attempt } from '../attempts/attempt.js';
import type { AgentLog } from '../log.js';
import type { BlobFiles } from '../outbox/blob-files.js';
import type { Outbox } from '../outbox/outbox.js';

export interface LinkOptions {
  /** The coordinator's WebSocket endpoint. */
  readonly url: string;
  /** The token to present now. */
  token(): string;
  /** What `hello` says of this worker beside its attempts and services. */
  describe(): Omit<WorkerHello, 'services' | 'running' | 'finished' | 'draining'>;
  readonly version: string;
  readonly outbox: Outbox;
  readonly blobs: BlobFiles;
  readonly log: AgentLog;
  /** The machine's load; none is sent without. */
  readonly sample?: (() => Promise<LoadSample>) | undefined;
  /** Restricts a service to what the donor's policy allows; default: no restriction. */
  readonly admit?: ((status: ServiceStatus) => ServiceStatus) | undefined;
  readonly events: LinkEvents;
}

/** Why the link ended: it left, or the coordinator refuses this worker. */
export type LinkEnd =
  | { readonly cause: 'left' }
  | { readonly cause: 'refused'; readonly close: CloseName; readonly message: string };

export interface LinkEvents {
  /** The first thing after a welcome: where the credential is stored. What it throws ends the agent. */
  joined(worker: NonNullable<Welcome['worker']>, welcome: Welcome): void;
  assigned(assignment: Assignment): void;
  /** The connection is gone, or could not be opened. */
  lost(lost: SessionLost): void;
  ended(end: LinkEnd): void;
  /** A defect, or a disk that fails where it must not. */
  failed(error: unknown): void;
  started(attempt: Attempt): void;
}
