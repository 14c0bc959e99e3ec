/**
 * Whether this machine may work now, by its policy: pause, schedule, idleness of its owner and GPU temperature, in this
 * order of precedence. Pure: the conditions are measured by policy-monitor.ts, the answer is carried out by
 * availability-controller.ts.
 */
import type { DonorPolicy } from '@rma/protocol/workload';
import { isOpen, nextChange, type Schedule } from './schedule.js';
import type { Policy } from './worker-file.js';

/** A donor's pause (`rma-worker pause`); it outlives the agent. */
export interface Pause {
  /** Unix ms; `undefined`: until `resume`. */
  readonly untilMs: number | undefined;
}

/** The part of a policy that availability depends on. */
export interface AvailabilityRules {
  readonly schedule: Schedule;
  /** The owner counts as away after so many minutes without activity; `undefined`: available while in use, too. */
  readonly idleMinutes: number | undefined;
  readonly gpuTemperatureC: number | undefined;
}

/** What was measured of the machine. */
export interface Conditions {
  readonly nowMs: number;
  readonly pause: Pause | undefined;
  /** How long nobody has used the machine; `undefined`: not measured (yet). */
  readonly idleMs: number | undefined;
  /** Of the hottest GPU. */
  readonly gpuTemperatureC: number | undefined;
}

export type Availability =
  | { readonly state: 'available'; readonly untilMs?: number | undefined }
  /** Connected, and takes no new tasks: a short interruption. */
  | { readonly state: 'draining'; readonly cause: 'gpu-temperature'; readonly reason: string }
  /** Not connected. `immediate`: running tasks are handed back at once, whatever `whenClosed` says. */
  | {
      readonly state: 'unavailable';
      readonly cause: 'paused' | 'schedule' | 'in-use';
      readonly reason: string;
      readonly immediate: boolean;
      /** Unix ms at which it becomes available by itself, where that is known. */
      readonly untilMs?: number | undefined;
    };

/** Hysteresis: a GPU that passed its limit is cool again at limit - COOL_DOWN_C. */
export const COOL_DOWN_C = 5;

export function rulesOf({ windows, timeZone, idleMinutes, caps }: Policy): AvailabilityRules {
  return { schedule: { windows, timeZone }, idleMinutes, gpuTemperatureC: caps.gpuTemperatureC };
}

/** @param before the previous answer, which the hysteresis of the GPU's temperature needs */
export function availabilityOf(
  rules: AvailabilityRules,
  conditions: Conditions,
  before: Availability | undefined,
): Availability {
  const { nowMs, pause, idleMs } = conditions;
  if (pause !== undefined && (pause.untilMs === undefined || pause.untilMs > nowMs)) {
    const reason = pause.untilMs === undefined ? 'paused by its owner' : 'paused by its owner for a time';
    return { state: 'unavailable', cause: 'paused', reason, immediate: false, untilMs: pause.untilMs };
  }
  const change = nextChange(rules.schedule, nowMs);
  if (!isOpen(rules.schedule, nowMs)) {
    const reason = 'outside the hours of its schedule';
    return { state: 'unavailable', cause: 'schedule', reason, immediate: false, untilMs: change?.atMs };
  }
  if (rules.idleMinutes !== undefined && (idleMs === undefined || idleMs < rules.idleMinutes * 60_000)) {
    const reason =
      idleMs === undefined ? 'not known yet whether its owner uses it' : 'its owner uses it; available only when idle';
    return { state: 'unavailable', cause: 'in-use', reason, immediate: true };
  }
  const tooHot = gpuTooHot(rules.gpuTemperatureC, conditions.gpuTemperatureC, before?.state === 'draining');
  if (tooHot !== undefined) return { state: 'draining', cause: 'gpu-temperature', reason: tooHot };
  return { state: 'available', untilMs: change?.atMs };
}

function gpuTooHot(limitC: number | undefined, hottestC: number | undefined, wasHot: boolean): string | undefined {
  if (limitC === undefined || hottestC === undefined) return undefined;
  if (hottestC <= (wasHot ? limitC - COOL_DOWN_C : limitC)) return undefined;
  return `a GPU has ${hottestC} °C, above the limit of ${limitC} °C; new tasks at ${limitC - COOL_DOWN_C} °C`;
}

/** Unix ms of the next change that the clock alone makes; `undefined`: none. */
export function nextChangeAtMs(rules: AvailabilityRules, { nowMs, pause }: Conditions): number | undefined {
  const times = [pause?.untilMs, nextChange(rules.schedule, nowMs)?.atMs].filter(
    (time): time is number => time !== undefined && time > nowMs,
  );
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Policy and availability as placement reads them on the wire. */
export function wirePolicy(
  { windows, timeZone, idleMinutes, caps, allow }: Policy,
  availability: Availability,
): DonorPolicy {
  const setCaps = Object.fromEntries(Object.entries(caps).filter(([, value]) => value !== undefined));
  const { workloads, kinds, images } = allow;
  return {
    paused: availability.state !== 'available',
    ...(availability.state === 'available' ? {} : { reason: availability.reason }),
    ...(windows.length === 0
      ? {}
      : { windows: windows.map(({ days, from, to }) => ({ days: [...days], from, to })), timeZone }),
    ...(idleMinutes === undefined ? {} : { onlyWhenIdle: true }),
    ...(Object.keys(setCaps).length === 0 ? {} : { caps: setCaps }),
    ...(workloads === undefined ? {} : { workloads: [...workloads] }),
    ...(kinds === undefined ? {} : { kinds: [...kinds] }),
    ...(images === undefined ? {} : { images: [...images] }),
  };
}
