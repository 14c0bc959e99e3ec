/**
 * Whether the machine is lent now, and if not, how it is taken back: the donor's word, the schedule, the owner's presence
 * and the GPU's temperature, weighed against each other. Pure.
 */
import { isOpen, nextChange, type Schedule } from './schedule.js';

/** What `rma-worker pause` left behind. */
export interface Pause {
  /** Unix ms; `undefined`: until `resume`. */
  readonly untilMs: number | undefined;
}

export interface Terms {
  readonly schedule: Schedule;
  /** The owner counts as away after so long; `undefined`: lent while in use, too. */
  readonly idleMinutes: number | undefined;
  readonly gpuTemperatureC: number | undefined;
}

/** What is known of the machine now. */
export interface Facts {
  readonly nowMs: number;
  readonly pause: Pause | undefined;
  /** How long nobody has used the machine; `undefined`: not known (yet). */
  readonly idleMs: number | undefined;
  /** The hottest GPU. */
  readonly gpuTemperatureC: number | undefined;
}

export type Lending =
  | { readonly state: 'open'; readonly untilMs?: number | undefined }
  /** Connected, but without new tasks: it will not last. */
  | { readonly state: 'holding'; readonly why: 'hot'; readonly reason: string }
  /** Not connected. `atOnce`: running tasks are handed back now, rather than as `whenClosed` says. */
  | {
      readonly state: 'closed';
      readonly why: 'paused' | 'schedule' | 'in-use';
      readonly reason: string;
      readonly atOnce: boolean;
      /** When it opens by itself, where that is known. */
      readonly untilMs?: number | undefined;
    };

/** A GPU that was too hot has to cool down by so much. */
export const COOL_DOWN_C = 5;

/** @param before the judgement so far: a hot GPU stays "hot" until it has cooled down */
export function judge(terms: Terms, facts: Facts, before: Lending | undefined): Lending {
  const { nowMs, pause } = facts;
  if (pause !== undefined && (pause.untilMs === undefined || pause.untilMs > nowMs)) {
    const reason = pause.untilMs === undefined ? 'paused by its owner' : 'paused by its owner for a time';
    return { state: 'closed', why: 'paused', reason, atOnce: false, untilMs: pause.untilMs };
  }
  const change = nextChange(terms.schedule, nowMs);
  if (!isOpen(terms.schedule, nowMs)) {
    const reason = 'outside the hours at which it is lent';
    return { state: 'closed', why: 'schedule', reason, atOnce: false, untilMs: change?.atMs };
  }
  if (terms.idleMinutes !== undefined) {
    const { idleMs } = facts;
    if (idleMs === undefined || idleMs < terms.idleMinutes * 60_000) {
      const reason =
        idleMs === undefined ? 'waiting to see whether its owner is away' : 'its owner uses it; lent only when idle';
      return { state: 'closed', why: 'in-use', reason, atOnce: true };
    }
  }
  const { gpuTemperatureC: hottest } = facts;
  const { gpuTemperatureC: limit } = terms;
  if (limit !== undefined && hottest !== undefined) {
    const wasHot = before?.state === 'holding';
    if (hottest > limit || (wasHot && hottest > limit - COOL_DOWN_C)) {
      const reason = `a GPU has ${hottest} °C, above the limit of ${limit} °C; new tasks at ${limit - COOL_DOWN_C} °C`;
      return { state: 'holding', why: 'hot', reason };
    }
  }
  return { state: 'open', untilMs: change?.atMs };
}

/** When to look again for what the clock alone changes; `undefined`: never. */
export function nextLook(terms: Terms, facts: Facts): number | undefined {
  const times = [facts.pause?.untilMs, nextChange(terms.schedule, facts.nowMs)?.atMs].filter(
    (time): time is number => time !== undefined && time > facts.nowMs,
  );
  return times.length === 0 ? undefined : Math.min(...times);
}
