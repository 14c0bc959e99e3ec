/** Settings of the core's decisions, and their defaults. Times in ms. */

export interface CoreSettings {
  /** Grace: how long an absent worker keeps its attempts. */
  readonly workerGraceMs: number;
  /** The grace after a start, when every worker has yet to reconnect. */
  readonly startGraceMs: number;
  /** How long ended tasks are kept; older ids are refused, since theirs may have been pruned. */
  readonly retentionMs: number;
  /** A lane's window: how many tasks, and bytes of input, are held in memory. */
  readonly windowTasks: number;
  readonly windowBytes: number;
  readonly maxOpenPerOwner: number;
  readonly maxLanesPerOwner: number;
  readonly maxWatchesPerSession: number;
  /** How long after an attempt's timeout its worker may still report it; then the coordinator ends it. */
  readonly timeoutSlackMs: number;
  /** How long a worker that returns with a result may take to deliver it, whatever the attempt's deadline. */
  readonly resendMs: number;
  /** How long a stopped attempt occupies its slot without the worker's confirmation. */
  readonly stopTimeoutMs: number;
  /** How many workers are known at most, revoked ones included until they are forgotten. */
  readonly maxWorkers: number;
  /** How long a worker is known that is not seen, and holds no data of a workload. */
  readonly forgetWorkersMs: number;
  /** Quotas of the kinds that workers make known. */
  readonly maxKinds: number;
  readonly maxKindsPerToken: number;
  /** Quota of output chunks that one attempt may store, in bytes. */
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
  resendMs: 600_000,
  stopTimeoutMs: 60_000,
  maxWorkers: 50_000,
  forgetWorkersMs: 30 * 86_400_000,
  maxKinds: 4_096,
  maxKindsPerToken: 512,
  maxChunkBytesPerAttempt: 64 * 1_048_576,
};
