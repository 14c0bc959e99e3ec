/** The history of a task as spans of time: waits and attempts. Pure. */
import type { TaskDetail } from '@rma/client';

export type Span = {
  readonly what: 'waiting' | 'attempt' | 'pause';
  readonly from: number;
  /** Now, if it continues. */
  readonly to: number;
  readonly isOngoing: boolean;
  /** Relative to the whole, 0 to 1. */
  readonly start: number;
  readonly width: number;
  /** For attempts. */
  readonly attempt?: number;
  readonly worker?: string;
  readonly outcome?: 'running' | 'succeeded' | 'failed' | 'lost' | 'cancelled';
  readonly reason?: string;
};

export interface Timeline {
  readonly from: number;
  readonly to: number;
  readonly spans: readonly Span[];
  /** Attempts that are not drawn, after the second one. */
  readonly hidden: number;
}

/** Attempts drawn at most; the others are only counted. */
const MAX_ATTEMPTS = 12;
const LOST = /^(lost|worker\.|engine\.gone)/;

export function timelineOf(detail: TaskDetail, now: number): Timeline {
  const { submittedAt, endedAt, attempts: all } = detail;
  const to = Math.max(endedAt ?? now, submittedAt + 1);
  const attempts = [...all].sort((a, b) => a.startedAt - b.startedAt || a.attempt - b.attempt);
  const hidden = Math.max(0, attempts.length - MAX_ATTEMPTS);
  const drawn = hidden > 0 ? [...attempts.slice(0, 2), ...attempts.slice(2 + hidden)] : attempts;
  const spans: Span[] = [];
  const add = (span: Omit<Span, 'start' | 'width'>) => {
    const start = clamp((span.from - submittedAt) / (to - submittedAt));
    const end = clamp((span.to - submittedAt) / (to - submittedAt));
    spans.push({ ...span, start, width: Math.max(0, end - start) });
  };
  let cursor = submittedAt;
  for (const [index, attempt] of drawn.entries()) {
    const isPause = index > 0;
    if (attempt.startedAt > cursor && !(hidden > 0 && index === 2)) {
      add({ what: isPause ? 'pause' : 'waiting', from: cursor, to: attempt.startedAt, isOngoing: false });
    }
    const isLast = index === drawn.length - 1;
    const isOngoing = attempt.endedAt === undefined && isLast && endedAt === undefined;
    const until = attempt.endedAt ?? (isLast ? to : (drawn[index + 1]?.startedAt ?? to));
    add({
      what: 'attempt',
      from: attempt.startedAt,
      to: Math.max(until, attempt.startedAt),
      isOngoing,
      attempt: attempt.attempt,
      outcome: outcomeOf(detail, attempt, isLast),
      ...(attempt.worker === undefined ? {} : { worker: attempt.worker }),
      ...reasonOf(attempt.error),
    });
    cursor = Math.max(cursor, until);
  }
  const isWaiting = detail.state === 'queued' || detail.state === 'scheduled';
  if (isWaiting || (attempts.length === 0 && endedAt !== undefined)) {
    add({ what: attempts.length > 0 ? 'pause' : 'waiting', from: cursor, to, isOngoing: isWaiting });
  }
  return { from: submittedAt, to, spans, hidden };
}

function reasonOf(error: { code: string; message: string } | undefined): { reason?: string } {
  return error === undefined ? {} : { reason: `${error.message} (${error.code})` };
}

function outcomeOf(
  { state }: TaskDetail,
  { endedAt, error }: TaskDetail['attempts'][number],
  isLast: boolean,
): NonNullable<Span['outcome']> {
  if (error) return error.code === 'cancelled' ? 'cancelled' : LOST.test(error.code) ? 'lost' : 'failed';
  if (isLast && state === 'succeeded') return 'succeeded';
  if (isLast && state === 'cancelled') return 'cancelled';
  if (isLast && (state === 'failed' || state === 'expired')) return 'failed';
  return endedAt === undefined ? 'running' : 'lost';
}

function clamp(share: number): number {
  return Math.max(0, Math.min(1, share));
}
