/** A task's constraints in words. Pure. */
import type { Constraints } from '@rma/client';
import { mebibytes } from '../format/number.js';

export function constraintWords({ tier, labels, trust, worker, model, minVramMiB }: Constraints): readonly string[] {
  return [
    ...(tier === undefined ? [] : [tier === 1 ? 'tier 1' : `tier ${tier} or higher`]),
    ...(trust === undefined ? [] : ['trusted workers']),
    ...(worker === undefined ? [] : [`worker ${worker}`]),
    ...(model === undefined ? [] : [`the model ${model}`]),
    ...(minVramMiB === undefined ? [] : [`${mebibytes(minVramMiB)} of GPU memory`]),
    ...Object.entries(labels ?? {}).map(([name, value]) => `${name} = ${value}`),
  ];
}
