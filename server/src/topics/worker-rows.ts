/** A worker as a row of the live list, and its load as a few small numbers. */
import type { WorkerLoads, WorkerRow } from '@rma/protocol/topic';
import { stateOf } from '../core/view.js';
import { tierOf, type Worker } from '../core/worker.js';

/** Percent and °C; -1 and -274 where unknown. */
export interface Load {
  readonly running: number;
  readonly cpu: number;
  readonly memory: number;
  readonly gpu: number;
  readonly celsius: number;
}

const percent = (share: number): number => Math.max(0, Math.min(100, Math.round(share * 100)));

export function loadOf(worker: Worker): Load {
  const { load, record } = worker;
  const running = worker.running;
  if (!load) return { running, cpu: -1, memory: -1, gpu: -1, celsius: -274 };
  let gpu = -1;
  let celsius = load.temperatureC ?? -274;
  for (const one of load.gpus) {
    if (one.load !== undefined) gpu = Math.max(gpu, percent(one.load));
    if (one.temperatureC !== undefined) celsius = Math.max(celsius, one.temperatureC);
  }
  const { totalMiB } = record.hardware.memory;
  return {
    running,
    cpu: percent(load.cpu),
    memory: totalMiB > 0 ? percent(load.memoryUsedMiB / totalMiB) : -1,
    gpu,
    celsius: Math.round(celsius),
  };
}

/** @param full with the fields for admins */
export function rowOf(worker: Worker, full: boolean, wallMs: number): WorkerRow {
  const { record } = worker;
  let slots = 0;
  const services: WorkerRow['services'] = [];
  for (const { service } of worker.services.values()) {
    if (service.state === 'healthy') slots += service.slots;
    services.push({
      name: service.name,
      state: service.state,
      ...(service.workload === undefined ? {} : { workload: service.workload }),
    });
  }
  const gpu = [...record.hardware.gpus].sort((a, b) => b.vramMiB - a.vramMiB)[0];
  return {
    id: record.id,
    name: record.name,
    state: stateOf(worker),
    tier: tierOf(worker),
    pinned: record.pinnedTier !== null,
    trust: record.trust,
    labels: record.labels,
    slots,
    services,
    joinedAt: record.joinedAt,
    lastSeenAt: worker.session === 0 ? record.lastSeenAt : wallMs,
    ...(worker.session !== 0 && worker.policy?.paused ? { paused: true } : {}),
    ...(full
      ? {
          cores: record.hardware.cpu.logicalCores,
          memoryMiB: record.hardware.memory.totalMiB,
          ...(gpu ? { gpu: gpu.name, vramMiB: gpu.vramMiB } : {}),
          os: record.hardware.os,
          owner: record.owner,
          address: worker.address,
        }
      : {}),
  };
}

/** Loads as columns of equal length. */
export function columnsOf(loads: Iterable<readonly [string, Load]>): WorkerLoads {
  const columns: WorkerLoads = { ids: [], running: [], cpu: [], memory: [], gpu: [], celsius: [] };
  for (const [id, { running, cpu, memory, gpu, celsius }] of loads) {
    columns.ids.push(id);
    columns.running.push(running);
    columns.cpu.push(cpu);
    columns.memory.push(memory);
    columns.gpu.push(gpu);
    columns.celsius.push(celsius);
  }
  return columns;
}
