/** A worker's samples as series for charts: what the wire marks as unknown is null. */
import type { WorkerSamples } from '@rma/protocol/topic';
import type { TimeSeries } from '../charts/time-columns.js';

const COLOURS = ['--series-1', '--series-2', '--series-3', '--series-4'] as const;
const UNKNOWN_C = -274;

/** Values below `least` are unknown. */
export function known(values: readonly number[], least: number): (number | null)[] {
  return values.map((value) => (value < least ? null : value));
}

const isKnown = ({ values }: TimeSeries) => values.some((value) => value !== null);
const colourOf = (place: number) => COLOURS[place % COLOURS.length] ?? '--series-1';

/** One series for each GPU that tells anything. */
export function gpuSeries(
  samples: WorkerSamples,
  valuesOf: (gpu: WorkerSamples['gpus'][number]) => readonly number[],
  unknown: number,
): TimeSeries[] {
  return samples.gpus
    .map((gpu, place) => ({
      label: `GPU ${gpu.index}`,
      values: known(valuesOf(gpu), unknown + 1e-9),
      colour: colourOf(place),
    }))
    .filter(isKnown);
}

/** Of the CPU, then of the GPUs, where they are known. */
export function temperatureSeries(samples: WorkerSamples): TimeSeries[] {
  const cpu = { label: 'CPU', values: known(samples.celsius, UNKNOWN_C + 1e-9), colour: '--series-3' };
  return [cpu, ...gpuSeries(samples, ({ celsius }) => celsius, UNKNOWN_C)].filter(isKnown);
}
