/** The services of a worker, as it reports them, with their used slots counted from what runs. */
import type { UpOf } from '@rma/protocol/up';
import type { Service } from '@rma/protocol/worker';
import { countSlots } from './attempt.js';
import { MAX_DESCRIPTION } from './enrolment.js';
import { learnKinds } from './known-kinds.js';
import { bindHealthy } from './placement/changes.js';
import type { Session } from './session.js';
import { emit, sendError, type Turn } from './turn.js';
import type { LiveService, Worker } from './worker.js';

/** Agents report every layer's progress; an event is emitted at most so often. */
const PULL_EVENT_INTERVAL_MS = 1_000;

/** A report of more than a hello may hold is not taken: what was reported before stays. */
export function reportServices(turn: Turn, worker: Worker, { services }: UpOf<'services'>, session: Session): void {
  const size = JSON.stringify(services).length;
  if (size <= MAX_DESCRIPTION) {
    applyServices(turn, worker, services);
    return;
  }
  const message = `the services take ${size} characters, at most ${MAX_DESCRIPTION} are taken (maxDescription)`;
  sendError(turn, session.id, 'too_large', message, { about: 'services' });
}

export function applyServices(turn: Turn, worker: Worker, services: readonly Service[]): void {
  const { state } = turn;
  turn.effects.workers.add(worker);
  const before = new Map(worker.services);
  worker.services.clear();
  for (const service of services) {
    const old = before.get(service.name);
    const changed = old?.service.state !== service.state;
    const sinceMs = changed ? turn.batch.wallMs : old.sinceMs;
    const pull = pullOf(turn, worker, service, old);
    worker.services.set(service.name, { service, used: 0, sinceMs, ...(pull ? { pull } : {}) });
    if (changed || old.service.kinds.join() !== service.kinds.join()) {
      emit(turn, 'service.changed', worker.record.id, '', {
        service: service.name,
        state: service.state,
        kinds: service.kinds,
        ...(service.reason === undefined ? {} : { reason: service.reason }),
      });
      state.placementDue = true;
    }
    if (changed && old?.service.state === 'starting' && service.state === 'healthy')
      recordStartTime(turn, service, old);
    before.delete(service.name);
  }
  for (const name of before.keys()) {
    emit(turn, 'service.changed', worker.record.id, '', { service: name, state: 'stopped' });
    state.placementDue = true;
  }
  countSlots(worker);
  for (const { service } of worker.services.values()) learnKinds(turn, worker, service);
  bindHealthy(turn, worker);
}

/** Follows a pull: where its estimate starts, and when an event last reported it. */
function pullOf(turn: Turn, worker: Worker, service: Service, old: LiveService | undefined): LiveService['pull'] {
  const { pull } = service;
  if (service.state !== 'pulling' || !pull) return undefined;
  const { wallMs } = turn.batch;
  const known = old?.service.state === 'pulling' ? old.pull : undefined;
  // A pull that starts over is measured from its new start.
  const from =
    known && pull.bytes >= known.fromBytes
      ? known
      : { fromBytes: pull.bytes, fromMs: wallMs, reportedMs: known?.reportedMs ?? 0 };
  const progressed = !known || old?.service.pull?.bytes !== pull.bytes;
  if (!progressed || wallMs - from.reportedMs < PULL_EVENT_INTERVAL_MS) return from;
  emit(turn, 'service.pulling', worker.record.id, '', {
    service: service.name,
    bytes: pull.bytes,
    ...(pull.totalBytes === undefined ? {} : { totalBytes: pull.totalBytes }),
  });
  return { ...from, reportedMs: wallMs };
}

function recordStartTime({ state, batch }: Turn, service: Service, old: LiveService): void {
  const name = service.workload ?? service.name;
  if (!state.catalog.byName.has(name)) return;
  const ms = Math.max(0, batch.wallMs - old.sinceMs);
  const mean = state.catalog.startMs.get(name);
  state.catalog.startMs.set(name, mean === undefined ? ms : mean * 0.7 + ms * 0.3);
}
