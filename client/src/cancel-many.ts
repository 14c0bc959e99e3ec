/**
 * Cancels many tasks: in as few frames as `maxItems` admits where the coordinator has the feature `cancels`, otherwise
 * one by one, some at a time. Every id is settled exactly once. No I/O.
 */
import { ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import type { ReplyTo } from '@rma/protocol/reply';
import type { UpOf } from '@rma/protocol/up';

const CANCELS_AT_ONCE = 64;

/** What became of them. */
export interface Cancellation {
  readonly cancelled: string[];
  /** Those that had ended otherwise, do not exist, or got no answer because the client had ended. */
  readonly failed: { id: string; error: Error }[];
}

/** The client, as far as cancelling needs it. */
export interface CancelPort {
  /** Whether the coordinator of the present session has `cancels`; waits for a session. Rejects where there will be none. */
  hasCancels(): Promise<boolean>;
  cancel(id: string): Promise<void>;
  cancels(tasks: string[]): Promise<ReplyTo<Omit<UpOf<'cancels'>, 'ref'>>>;
}

/** @param onProgress called with how many are settled */
export async function cancelMany(
  ids: readonly string[],
  port: CancelPort,
  onProgress?: (settled: number) => void,
): Promise<Cancellation> {
  const cancelled: string[] = [];
  const failed: Cancellation['failed'] = [];
  const reportProgress = () => onProgress?.(cancelled.length + failed.length);

  const cancelEach = async (some: readonly string[]) => {
    const waiting = some.values();
    const work = async () => {
      // The workers share one iterator: each id is taken once.
      for (const id of waiting) {
        try {
          await port.cancel(id);
          cancelled.push(id);
        } catch (error) {
          failed.push({ id, error: asError(error) });
        }
        reportProgress();
      }
    };
    await Promise.all(Array.from({ length: Math.min(CANCELS_AT_ONCE, some.length) }, work));
  };

  const cancelFrame = async (some: string[]) => {
    try {
      const reply = await port.cancels(some);
      cancelled.push(...reply.cancelled);
      for (const { task, error } of reply.failed) failed.push({ id: task, error: ProtocolError.fromWire(error) });
    } catch (error) {
      // After a reconnect the frame may have come to a coordinator that predates it.
      if (error instanceof ProtocolError && error.kind === 'unknown_message') return cancelEach(some);
      for (const id of some) failed.push({ id, error: asError(error) });
    }
    reportProgress();
  };

  for (let rest = [...new Set(ids)]; rest.length > 0; ) {
    // Asked before each frame: the coordinator may be another one by now. A client that ended says why for each task.
    if (!(await port.hasCancels().catch(() => false))) {
      await cancelEach(rest);
      break;
    }
    await cancelFrame(rest.slice(0, LIMITS.maxItems));
    rest = rest.slice(LIMITS.maxItems);
  }
  return { cancelled, failed };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
