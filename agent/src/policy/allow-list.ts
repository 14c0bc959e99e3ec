/** What a donor's lists allow. Pure; a list that is not given allows everything. */
import type { Service } from '@rma/protocol/worker';
import type { ContainerSpec } from '@rma/protocol/workload';
import type { ServiceStatus } from '@rma/workloads/runtime';
import type { AllowLists, Caps } from './worker-file.js';

/** Why an assigned workload is not run here; `undefined`: it may be. */
export function refusal(
  { workloads, images }: AllowLists,
  workload: string,
  image: string | undefined,
): string | undefined {
  if (workloads !== undefined && !workloads.includes(workload)) {
    return `this machine's owner does not lend it to ${workload} (allow.workloads in worker.yaml)`;
  }
  if (image !== undefined && images !== undefined && !images.some((pattern) => matches(pattern, image))) {
    return `this machine's owner does not allow the image ${image} (allow.images in worker.yaml)`;
  }
  return undefined;
}

/** Why a container that asks for so much is not run here. Of cores it gets at most those that are lent. */
export function tooMuch({ memoryMiB, vramMiB }: Caps, { gpu, resources }: ContainerSpec): string | undefined {
  if (memoryMiB !== undefined && resources.memoryMiB > memoryMiB) {
    return `it takes ${resources.memoryMiB} MiB of memory, and this machine's owner lends ${memoryMiB} (caps.memoryMiB in worker.yaml)`;
  }
  if (gpu && vramMiB === 0) return "this machine's owner lends no GPU (caps.vramMiB in worker.yaml)";
  return undefined;
}

/** The service as it is offered: without the kinds that are not allowed, and not at all when none of them is. */
export function admitted<S extends ServiceStatus | Service>(service: S, { kinds }: AllowLists): S {
  if (kinds === undefined || service.kinds.length === 0) return service;
  const allowed = service.kinds.filter((kind) => kinds.includes(kind));
  if (allowed.length === service.kinds.length) return service;
  if (allowed.length > 0) return { ...service, kinds: allowed };
  const reason = `this machine's owner does not allow ${service.kinds.join(', ')} (allow.kinds in worker.yaml)`;
  return { ...service, kinds: [], slots: 0, state: 'stopped', reason };
}

export function allowedKinds(kinds: readonly string[], { kinds: allowed }: AllowLists): string[] {
  return kinds.filter((kind) => allowed === undefined || allowed.includes(kind));
}

function matches(pattern: string, image: string): boolean {
  const source = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${source}$`).test(image);
}
