/** What `@rma/client` offers. */

export { ProtocolError } from '@rma/protocol/error';
export type { PoolEvent } from '@rma/protocol/event';
export { type BlobRef, isBlobRef } from '@rma/protocol/payload';
export type { Constraints, Failure, TaskChange, TaskState } from '@rma/protocol/task';
export type { History, Notice, OverviewNow, WorkerRow, WorkerSamples, WorkerTask } from '@rma/protocol/topic';
export type {
  AuditEntry,
  AuditPage,
  CatalogView,
  EventPage,
  JoinInfo,
  KindView,
  PlacementView,
  StatsView,
  TaskDetail,
  TaskInput,
  TaskView,
  TokenView,
  WorkerView,
} from '@rma/protocol/view';
export type { LogLine } from '@rma/protocol/worker';
export type { Cancellation } from './cancel-many.js';
export type { TaskChunk } from './chunk-feed.js';
export {
  Client,
  type ConnectOptions,
  connect,
  type EventsOptions,
  type HistoryOptions,
  type NewToken,
  type TaskFilter,
  type WorkerLogOptions,
} from './client.js';
export { ClosedError, OfflineError, TaskError } from './client-error.js';
export { joinInfo } from './join-info.js';
export type { Live, LiveStatus } from './live/live.js';
export type {
  LiveJoin,
  LiveKinds,
  LiveLoad,
  LiveOverview,
  LiveRecent,
  LiveTaskFilter,
  LiveTasks,
  LiveWorker,
  LiveWorkers,
  RecentEvent,
  RecentFilter,
} from './live/views.js';
export type { ConnectionChange } from './message-router.js';
export { type SignedIn, signIn, signOut, whoAmI } from './sign-in.js';
export type { Job, SubmitOptions } from './submit-options.js';
export type { TaskHandle } from './task.js';
export type { TaskFailed, TaskReference, TaskResult, TaskSucceeded, TaskTimings } from './task-result.js';
