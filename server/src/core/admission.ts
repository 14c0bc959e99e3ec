/** Whether a new task is admitted: its id, the coordinator's state, its kind and blobs, its owner's quotas. */
import type { ErrorKind, WireError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import type { TaskSpec } from '@rma/protocol/task';
import { laneKey } from './lane.js';
import type { State } from './state.js';
import type { Turn } from './turn.js';

const DAY_MS = 86_400_000;
/** Clocks differ: ids up to this far in the future are admitted, but for short retentions: see {@link idRefusal}. */
const MAX_AHEAD_MS = DAY_MS;

const refuse = (kind: ErrorKind, message: string, path?: string): WireError => ({
  kind,
  message,
  ...(path === undefined ? {} : { path }),
});

/** Why the task is refused; undefined where it is admitted. */
export function refusal(turn: Turn, spec: TaskSpec, owner: string): WireError | undefined {
  const { state, batch } = turn;
  return (
    idRefusal(spec.id, state.settings.retentionMs, batch.wallMs) ??
    stateRefusal(state) ??
    contentRefusal(turn, spec) ??
    blobRefusal(batch.blobsHeld, spec, owner) ??
    quotaRefusal(state, spec, owner)
  );
}

/** Ms since 1970, from the first 48 bits of a UUIDv7. */
function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/**
 * A task whose row may have been pruned must not run twice. With `ahead = min(1 day, retention / 2)` an id is admitted
 *
 *     while now - (retention - ahead) <= id <= now + ahead
 *
 * A row is pruned later than `admitted + retention >= id - ahead + retention`, which is when its id is too old.
 */
function idRefusal(id: string, retentionMs: number, wallMs: number): WireError | undefined {
  const madeAt = timeOfId(id);
  const aheadMs = Math.min(MAX_AHEAD_MS, retentionMs / 2);
  const pastMs = retentionMs - aheadMs;
  if (madeAt < wallMs - pastMs) {
    const message = `the id ${id} is older than ids may be (${spanOf(pastMs)}); make a new one`;
    return refuse('invalid', message, '/id');
  }
  if (madeAt > wallMs + aheadMs) {
    const message = `the id ${id} lies more than ${spanOf(aheadMs)} in the future; check this machine's clock`;
    return refuse('invalid', message, '/id');
  }
  return undefined;
}

const spanOf = (ms: number): string => (ms < DAY_MS ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / DAY_MS)} d`);

function stateRefusal(state: State): WireError | undefined {
  if (state.stopping) {
    return refuse('unavailable', 'the coordinator is stopping; send the task again after reconnecting');
  }
  if (state.storageFull) {
    return refuse('storage_full', "the coordinator's disk is full; nothing was lost, send the task again later");
  }
  return undefined;
}

function contentRefusal(turn: Turn, { kind, input, constraints }: TaskSpec): WireError | undefined {
  const { state } = turn;
  if (input.length > LIMITS.maxInlineBytes) {
    return refuse(
      'too_large',
      `the input has ${input.length} bytes, at most ${LIMITS.maxInlineBytes} go inline (maxInlineBytes); upload it as a blob`,
      '/input',
    );
  }
  if (!state.knownKinds.has(kind)) {
    const near = turn.hints-- > 0 ? state.kindHints.near(kind, state.knownKinds, turn.batch.nowMs) : [];
    const hint = near.length > 0 ? `; did you mean ${near.join(' or ')}?` : '; `rma workers` lists what workers offer';
    return refuse('unknown_kind', `no worker ever offered '${kind}'${hint}`, '/kind');
  }
  const required = constraints?.worker;
  if (required !== undefined && state.workers.get(required)?.record.revokedAt !== 0) {
    const message = `the worker ${required} is not in the pool; \`rma workers\` lists them`;
    return refuse('unservable', message, '/constraints/worker');
  }
  return undefined;
}

function blobRefusal(blobsHeld: ReadonlySet<string>, spec: TaskSpec, owner: string): WireError | undefined {
  for (const blob of spec.blobs ?? []) {
    if (!blobsHeld.has(`${owner} ${blob}`)) {
      return refuse('not_found', `the blob ${blob} was not uploaded; upload it before the submit`, '/blobs');
    }
  }
  return undefined;
}

function quotaRefusal(state: State, spec: TaskSpec, owner: string): WireError | undefined {
  const { maxOpenPerOwner, maxLanesPerOwner } = state.settings;
  if ((state.openPerOwner.get(owner) ?? 0) >= maxOpenPerOwner) {
    return refuse('queue_full', `${owner} has ${maxOpenPerOwner} open tasks (maxOpenPerOwner); wait until some ended`);
  }
  if (
    (state.lanesPerOwner.get(owner) ?? 0) >= maxLanesPerOwner &&
    !state.lanesByKey.has(laneKey(spec.kind, spec.constraints))
  ) {
    return refuse(
      'queue_full',
      `${owner} uses ${maxLanesPerOwner} different constraints at once (maxLanesPerOwner)`,
      '/constraints',
    );
  }
  return undefined;
}
