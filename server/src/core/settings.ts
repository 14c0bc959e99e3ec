/** What an operator may tune in the core's decisions. Times in ms. */

export interface CoreSettings {
  /** How long a worker without a session keeps its attempts. */
  readonly workerGraceMs: number;
  /** The same right after a start, when every worker has yet to reconnect. */
  readonly startGraceMs: number;
  /** Results and ended tasks are kept this long; an id older than this is refused. */
  readonly retentionMs: number;
  /** The tasks of one lane that are held in memory, by number and by bytes of input. */
  readonly windowTasks: number;
  readonly windowBytes: number;
  readonly maxOpenPerOwner: number;
  readonly maxLanesPerOwner: number;
  readonly maxWatchesPerSession: number;
  /** Past an attempt's own timeout, the wait for its worker to say so. */
  readonly timeoutSlackMs: number;
  /** How long a stopped attempt's slot waits for its worker's word. */
  readonly stopTimeoutMs: number;
  /** The bytes of output chunks that one attempt may store. */
  readonly maxChunkBytesPerAttempt: number;
}

export const DEFAULT_CORE_SETTINGS: CoreSettings = {
  workerGraceMs: 8_000,
  startGraceMs: 45_000,
  retentionMs: 7 * 86_400_000,
  windowTasks: 512,
  windowBytes: 1_048_576,
  maxOpenPerOwner: 2_000_000,
  maxLanesPerOwner: 256,
  maxWatchesPerSession: 100_000,
  timeoutSlackMs: 10_000,
  stopTimeoutMs: 60_000,
  maxChunkBytesPerAttempt: 64 * 1_048_576,
};
