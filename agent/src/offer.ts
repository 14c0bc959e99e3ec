/** Which embedded workloads this machine offers to run, whatever is assigned to it. */
import type { Available } from '@rma/protocol/worker';
import { kindsOf, MANIFESTS, manifestOf, usualNeedsOf, WORKLOAD_NAMES } from '@rma/workloads/manifests';
import { AgentFault } from './fault.js';
import { allowedKinds, refusal } from './policy/allow-list.js';
import type { AllowLists } from './policy/worker-file.js';

/** @param only names of workloads; all of them, unless given. @throws AgentFault for a workload that does not exist */
export function availableWorkloads(only: readonly string[] | undefined): Available[] {
  const unknown = only?.find((name) => manifestOf(name) === undefined);
  if (unknown !== undefined) {
    throw new AgentFault(`--only: there is no workload '${unknown}'. There are: ${WORKLOAD_NAMES.join(', ')}.`);
  }
  return MANIFESTS.filter(({ name }) => only === undefined || only.includes(name)).map((manifest) => ({
    workload: manifest.name,
    kinds: [...kindsOf(manifest)],
    ...usualNeedsOf(manifest),
  }));
}

/** Of these, what the donor's allow-lists admit. */
export function offered(available: readonly Available[], allow: AllowLists): Available[] {
  return available
    .filter(({ workload }) => refusal(allow, workload, undefined) === undefined)
    .map((one) => ({ ...one, kinds: allowedKinds(one.kinds, allow) }))
    .filter(({ kinds }) => kinds.length > 0);
}
