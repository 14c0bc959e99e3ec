/** What this machine offers to run in the agent's own processes, whatever is assigned: the embedded workloads that it may run. */
import type { Available } from '@rma/protocol/worker';
import { EMBEDDED_WORKLOADS, isEmbeddedWorkload } from '@rma/workloads/workloads';
import { AgentFault } from './fault.js';
import { allowedKinds, refusal } from './policy/allow-list.js';
import type { AllowLists } from './policy/worker-file.js';

/** The limit at which a process is killed is more than twice what it holds in the usual case. */
const USUAL_SHARE = 0.4;

/** @param only all of them where it is not given. @throws AgentFault for a workload that does not exist */
export function availableWorkloads(only: readonly string[] | undefined): Available[] {
  const unknown = only?.find((workload) => !isEmbeddedWorkload(workload));
  if (unknown !== undefined) {
    throw new AgentFault(
      `--only: there is no workload '${unknown}'. There are: ${Object.keys(EMBEDDED_WORKLOADS).join(', ')}.`,
    );
  }
  return Object.entries(EMBEDDED_WORKLOADS)
    .filter(([workload]) => only === undefined || only.includes(workload))
    .map(([workload, { kinds, slots, memoryMiB }]) => ({
      workload,
      kinds: [...kinds],
      cores: slots === 'cores' ? 1 : 0,
      memoryMiB: Math.ceil(memoryMiB * USUAL_SHARE),
    }));
}

/** Of these, what the donor's lists allow. */
export function offered(available: readonly Available[], allow: AllowLists): Available[] {
  return available
    .filter(({ workload }) => refusal(allow, workload, undefined) === undefined)
    .map((one) => ({ ...one, kinds: allowedKinds(one.kinds, allow) }))
    .filter(({ kinds }) => kinds.length > 0);
}
