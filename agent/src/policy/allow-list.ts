/** What a donor's allow-lists admit. Pure; a list that is absent admits everything, an empty one nothing. */
import { imageMatches } from '@rma/protocol/image-pattern';
import type { Service } from '@rma/protocol/worker';
import type { ServiceStatus } from '@rma/workloads/runtime';
import type { AllowLists } from './worker-file.js';

/** Why an assigned workload may not run here; `undefined`: it may. */
export function refusal(
  { workloads, images }: AllowLists,
  workload: string,
  image: string | undefined,
): string | undefined {
  if (workloads !== undefined && !workloads.includes(workload)) {
    return `this machine's owner does not lend it to ${workload} (allow.workloads in worker.yaml)`;
  }
  if (image !== undefined && images !== undefined && !images.some((pattern) => imageMatches(pattern, image))) {
    return `this machine's owner does not allow the image ${image} (allow.images in worker.yaml)`;
  }
  return undefined;
}

/** A service as it is offered: with the kinds that are allowed; stopped, with the reason, where none of them is. */
export function admitted<S extends ServiceStatus | Service>(service: S, allow: AllowLists): S {
  const kinds = allowedKinds(service.kinds, allow);
  if (kinds.length === service.kinds.length) return service;
  if (kinds.length > 0) return { ...service, kinds };
  const reason = `this machine's owner does not allow ${service.kinds.join(', ')} (allow.kinds in worker.yaml)`;
  return { ...service, kinds: [], slots: 0, state: 'stopped', reason };
}

export function allowedKinds(kinds: readonly string[], { kinds: allowed }: AllowLists): string[] {
  return kinds.filter((kind) => allowed === undefined || allowed.includes(kind));
}
