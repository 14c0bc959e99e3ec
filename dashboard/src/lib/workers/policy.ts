/** A donor's policy in words, one sentence each. Pure. */
import type { DonorPolicy } from '@rma/protocol/workload';
import { bytes, mebibytes } from '../format/number.js';

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const DAY_NAMES: Readonly<Record<string, string>> = {
  mon: 'Mon',
  tue: 'Tue',
  wed: 'Wed',
  thu: 'Thu',
  fri: 'Fri',
  sat: 'Sat',
  sun: 'Sun',
};
type Window = NonNullable<DonorPolicy['windows']>[number];

export function policyWords(policy: DonorPolicy): readonly string[] {
  const words: string[] = [];
  const { windows = [], timeZone, caps } = policy;
  if (windows.length > 0)
    words.push(`Available ${windows.map(windowWords).join('; ')}${timeZone ? ` (${timeZone} time)` : ''}.`);
  if (policy.onlyWhenIdle) words.push('Available only while nobody uses the machine.');
  if (caps?.cores !== undefined) words.push(`At most ${caps.cores} ${caps.cores === 1 ? 'core' : 'cores'}.`);
  if (caps?.memoryMiB !== undefined) words.push(`At most ${mebibytes(caps.memoryMiB)} of memory.`);
  if (caps?.vramMiB !== undefined) words.push(`At most ${mebibytes(caps.vramMiB)} of GPU memory.`);
  if (caps?.diskMiB !== undefined) words.push(`At most ${mebibytes(caps.diskMiB)} of disk.`);
  if (caps?.bandwidthKiBps !== undefined)
    words.push(`At most ${bytes(caps.bandwidthKiBps * 1_024)} per second each way for large inputs and outputs.`);
  if (caps?.gpuTemperatureC !== undefined) words.push(`No GPU work above ${caps.gpuTemperatureC} °C.`);
  if (policy.workloads) words.push(`Only these workloads: ${listed(policy.workloads)}.`);
  if (policy.kinds) words.push(`Only these kinds of tasks: ${listed(policy.kinds)}.`);
  if (policy.images) words.push(`Only these images: ${listed(policy.images)}.`);
  return words.length > 0 ? words : ['Available at any time, without limits.'];
}

/** "Mon to Fri, 18:00 to 08:00 of the next day" */
export function windowWords({ days, from, to }: Window): string {
  const hours =
    from === '00:00' && to === '24:00' ? 'all day' : `${from} to ${to}${to <= from ? ' of the next day' : ''}`;
  return `${daysWords(days)}, ${hours}`;
}

function daysWords(days: readonly string[]): string {
  const places = DAYS.flatMap((day, place) => (days.includes(day) ? [place] : []));
  if (places.length === DAYS.length) return 'every day';
  const runs: number[][] = [];
  for (const place of places) {
    const run = runs.at(-1);
    if (run && run.at(-1) === place - 1) run.push(place);
    else runs.push([place]);
  }
  const nameOf = (place: number) => DAY_NAMES[DAYS[place] ?? ''] ?? '';
  return runs
    .flatMap((run) =>
      run.length > 2 ? [`${nameOf(run[0] ?? 0)} to ${nameOf(run.at(-1) ?? 0)}`] : run.map((place) => nameOf(place)),
    )
    .join(', ');
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ');
}
