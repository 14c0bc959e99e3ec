/** Workers: what a machine reports in its hello, its services, its assignment. */
import { type Static, Type } from 'typebox';
import { Hardware } from './hardware.js';
import { LIMITS } from './limits.js';
import { oneOf } from './one-of.js';
import { plainText } from './plain-text.js';
import { AttemptRef, Kind, Labels, Name } from './task.js';
import { ContainerSpec, DonorPolicy, Engine } from './workload.js';

export const Tier = Type.Union([Type.Literal(1), Type.Literal(2), Type.Literal(3), Type.Null()], {
  description: '1 GPU, 2 service, 3 data; null: below tier 3, embedded kinds and own handlers only',
});

export const ServiceState = oneOf(['pending', 'pulling', 'starting', 'healthy', 'unhealthy', 'stopped']);

/** A running instance of a workload on one worker. Only a healthy service gets tasks. */
export const Service = Type.Object({
  name: Name,
  runtime: oneOf(['embedded', 'docker', 'endpoint']),
  state: ServiceState,
  kinds: Type.Array(Kind, { maxItems: 64 }),
  slots: Type.Integer({ minimum: 0, maximum: 4096, description: 'tasks that it runs at once' }),
  reason: Type.Optional(Type.String({ maxLength: LIMITS.maxTextLength })),
  workload: Type.Optional(Type.Unsafe<string>({ ...Name, description: 'the catalogue entry that it runs' })),
  pull: Type.Optional(
    Type.Object(
      { bytes: Type.Integer({ minimum: 0 }), totalBytes: Type.Optional(Type.Integer({ minimum: 0 })) },
      { description: 'of the image that is being pulled' },
    ),
  ),
  models: Type.Optional(
    Type.Array(plainText(256, 1), { maxItems: 64, description: 'of an LLM service; a task may ask for one of them' }),
  ),
});
export type Service = Static<typeof Service>;

/** A line of a service's log. */
export const LogLine = Type.Object({
  service: Name,
  at: Type.String({ maxLength: 40, description: 'RFC 3339; with nanoseconds where they are known' }),
  stream: oneOf(['stdout', 'stderr']),
  text: plainText(LIMITS.maxTextLength),
});
export type LogLine = Static<typeof LogLine>;

/** An embedded workload that the agent has at hand, and the resources that it needs. */
export const Available = Type.Object({
  workload: Name,
  kinds: Type.Array(Kind, { maxItems: 64 }),
  cores: Type.Number({ minimum: 0, maximum: 4096 }),
  memoryMiB: Type.Integer({ minimum: 0, maximum: 100_000_000 }),
});
export type Available = Static<typeof Available>;

/** The tier with its reasons, and the workloads to run. Replaces the previous assignment. */
export const Assignment = Type.Object({
  tier: Tier,
  pinned: Type.Boolean({ description: 'an admin chose the tier' }),
  reasons: Type.Array(Type.String()),
  workloads: Type.Array(
    Type.Object({
      workload: Name,
      reason: Type.String(),
      container: Type.Optional(
        Type.Unsafe<ContainerSpec>({ ...ContainerSpec, description: 'run it in this container; absent: embedded' }),
      ),
    }),
  ),
  declined: Type.Array(Type.Object({ workload: Name, reason: Type.String() })),
});
export type Assignment = Static<typeof Assignment>;

/** An attempt that a worker runs. */
export const RunningAttempt = Type.Intersect([
  AttemptRef,
  Type.Object({
    service: Type.Optional(Type.Unsafe<string>({ ...Name, description: 'the service whose slot it holds' })),
  }),
]);
export type RunningAttempt = Static<typeof RunningAttempt>;

export const WorkerHello = Type.Object({
  key: Type.String({
    pattern: '^[A-Za-z0-9_-]{16,64}$',
    description: 'made once by the agent; makes a first join idempotent',
  }),
  instance: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9_-]{8,64}$',
      description:
        'made anew at each start of the agent: a new one means a restart (its attempts are lost), the same one a reconnect',
    }),
  ),
  name: Type.Optional(Name),
  labels: Type.Optional(Labels),
  hardware: Hardware,
  available: Type.Array(Available, { maxItems: 64 }),
  engine: Type.Optional(Engine),
  policy: Type.Optional(DonorPolicy),
  services: Type.Array(Service, { maxItems: 64 }),
  running: Type.Array(RunningAttempt, {
    maxItems: 10_000,
    description: 'attempts that run now, stopped ones included',
  }),
  finished: Type.Array(AttemptRef, { maxItems: 10_000, description: 'attempts whose result is not acknowledged' }),
  draining: Type.Optional(Type.Boolean({ description: 'takes no new tasks' })),
});
export type WorkerHello = Static<typeof WorkerHello>;

/** The decision on an attempt that a reconnecting worker reported. */
export const Verdict = Type.Intersect([
  AttemptRef,
  Type.Object({
    verdict: oneOf(['keep', 'stop', 'resend', 'drop'], {
      description:
        'keep: go on; stop: end it, its result no longer counts; resend: send the result; drop: forget the result',
    }),
    chunk: Type.Optional(
      Type.Integer({ minimum: 0, description: 'the last output chunk that is stored; send the later ones again' }),
    ),
  }),
]);
export type Verdict = Static<typeof Verdict>;
