/** The client's own errors. What the coordinator reports is a `ProtocolError`. */

/** The client was closed while this was pending, or before it was asked. */
export class ClosedError extends Error {
  constructor(message = 'the client was closed') {
    super(message);
    this.name = 'ClosedError';
  }
}

/** No session could be had within `offlineTimeoutMs`. */
export class OfflineError extends Error {
  constructor(
    readonly url: string,
    readonly offlineMs: number,
    readonly reason: string,
  ) {
    super(`cannot reach the coordinator at ${url} for ${Math.round(offlineMs / 1_000)} s: ${reason}`);
    this.name = 'OfflineError';
  }
}

/** A task ended otherwise than by success: thrown by `TaskHandle.output()`. */
export class TaskError extends Error {
  constructor(
    readonly task: string,
    readonly state: 'failed' | 'cancelled' | 'expired',
    /** A stable word, such as `input.damaged`, `timeout` or `poison`. */
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = 'TaskError';
  }
}
