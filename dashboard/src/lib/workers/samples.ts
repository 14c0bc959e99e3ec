/** Converts a worker's samples to chart lines; the wire's markers for unknown values become null. Pure. */
import type { WorkerSamples } from '@rma/protocol/topic';
import type { Line } from '../charts/time-columns.js';

const COLOURS = ['--series-1', '--series-2', '--series-3', '--series-4'] as const;
const UNKNOWN_C = -274;

/** Values below `least` are unknown. */
export function known(values: readonly number[], least: number): (number | null)[] {
  return values.map((value) => (value < least ? null : value));
}

const isKnown = ({ values }: Line) => values.some((value) => value !== null);
const colourOf = (place: number) => COLOURS[place % COLOURS.length] ?? '--series-1';

/** One line for each GPU with any known value. */
export function gpuLines(
  samples: WorkerSamples,
  valuesOf: (gpu: WorkerSamples['gpus'][number]) => readonly number[],
  unknown: number,
): Line[] {
  return samples.gpus
    .map((gpu, place) => ({
      name: `GPU ${gpu.index}`,
      values: known(valuesOf(gpu), unknown + 1e-9),
      color: colourOf(place),
    }))
    .filter(isKnown);
}

/** CPU, then GPUs; only those with a known value. */
export function temperatureLines(samples: WorkerSamples): Line[] {
  const cpu = { name: 'CPU', values: known(samples.celsius, UNKNOWN_C + 1e-9), color: '--series-3' };
  return [cpu, ...gpuLines(samples, ({ celsius }) => celsius, UNKNOWN_C)].filter(isKnown);
}
