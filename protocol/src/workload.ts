/**
 * Workloads on the wire: the specification of a container. The agent derives the host configuration from it: no host
 * mount, privilege or device can be expressed here.
 */
import { type Static, Type } from 'typebox';
import { LIMITS } from './limits.js';
import { oneOf } from './one-of.js';
import { plainText } from './plain-text.js';
import { Kind, Name } from './task.js';

export const ImageDigest = Type.String({ pattern: '^sha256:[0-9a-f]{64}$', description: 'of the image, as pulled' });

/** An image by name and tag; a registry's host and port may lead. */
export const ImageName = Type.String({
  pattern: '^[a-z0-9][a-z0-9._:/-]{0,200}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$',
  description: 'an image by name and tag, such as postgres:17',
});

const Path = Type.String({ pattern: '^/[!-~]{0,254}$' });
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
const Seconds = Type.Integer({ minimum: 1, maximum: 86_400 });

/** How a service's health is checked. Without a check, a running container is healthy. */
export const HealthCheck = Type.Object({
  http: Type.Optional(Path),
  tcp: Type.Optional(Type.Literal(true, { description: 'the port accepts connections' })),
  command: Type.Optional(
    Type.Array(plainText(500), { minItems: 1, maxItems: 32, description: 'run inside the container; 0 is healthy' }),
  ),
  intervalSeconds: Type.Optional(Seconds),
  startSeconds: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 86_400, description: 'how long it may take to become healthy; default 120' }),
  ),
});
export type HealthCheck = Static<typeof HealthCheck>;

/** How a container's port serves task kinds. */
export const ServiceApi = oneOf(['openai', 'rma', 'http'], {
  description:
    "openai: an OpenAI-compatible server; rma: this project's own task server (POST /tasks/KIND); http: `requests` says how",
});

/** How a task is run over HTTP: one request whose JSON body is the input and whose JSON response is the output. */
export const RequestMapping = Type.Object({ method: oneOf(['GET', 'POST', 'PUT']), path: Path });

/** What a container needs and may use; the agent enforces these as its limits. */
export const Resources = Type.Object({
  cores: Type.Number({ exclusiveMinimum: 0, maximum: 4_096 }),
  memoryMiB: Type.Integer({ minimum: 16, maximum: 16_777_216 }),
  vramMiB: Type.Optional(Type.Integer({ minimum: 0, maximum: 16_777_216 })),
  diskMiB: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 268_435_456, description: 'of the image and its volumes' }),
  ),
});
export type Resources = Static<typeof Resources>;

export const ContainerSpec = Type.Object({
  image: ImageName,
  digest: Type.Optional(ImageDigest),
  gpu: Type.Boolean({ description: 'gets the GPUs of the machine' }),
  resources: Resources,
  command: Type.Optional(Type.Array(plainText(1_000), { maxItems: 64 })),
  env: Type.Optional(
    Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$' }), plainText(4_000), {
      maxProperties: 64,
      additionalProperties: false,
    }),
  ),
  secrets: Type.Optional(
    Type.Array(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$' }), {
      maxItems: 8,
      description: 'variables that the agent fills with a random value, made once and kept with the volumes',
    }),
  ),
  volumes: Type.Optional(
    Type.Array(Type.Object({ name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,31}$' }), path: Path }), {
      maxItems: 8,
      description: 'named volumes of this workload, kept when it stops',
    }),
  ),
  port: Type.Optional(Port),
  health: Type.Optional(HealthCheck),
  api: Type.Optional(ServiceApi),
  requests: Type.Optional(Type.Record(Kind, RequestMapping, { maxProperties: 64 })),
  kinds: Type.Array(Kind, { maxItems: 64 }),
  slots: Type.Integer({ minimum: 0, maximum: 4_096, description: 'tasks at once; 0 for a service without task kinds' }),
  network: Type.Boolean({
    description: 'may reach the network beyond the agent; data services and models rarely need to',
  }),
});
export type ContainerSpec = Static<typeof ContainerSpec>;

/** A container engine that the agent can use. */
export const Engine = Type.Object({
  name: plainText(64),
  version: plainText(64),
  gpu: Type.Boolean({ description: 'has the NVIDIA runtime' }),
  rootless: Type.Optional(Type.Boolean()),
  diskFreeMiB: Type.Optional(Type.Integer({ minimum: 0 })),
  images: Type.Optional(
    Type.Array(ImageDigest, {
      maxItems: 256,
      description: 'that are here already, so that nothing needs to be pulled',
    }),
  ),
});
export type Engine = Static<typeof Engine>;

/** A weekly interval in which a machine is available, in the time zone of its policy. */
export const LendingWindow = Type.Object({
  days: Type.Array(oneOf(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']), { minItems: 1, maxItems: 7 }),
  from: Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$' }),
  to: Type.String({
    pattern: '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$',
    description: 'earlier than `from`: on the next day',
  }),
});

/** The donor's policy: the agent enforces it, the scheduler respects it. */
export const DonorPolicy = Type.Object({
  paused: Type.Boolean(),
  reason: Type.Optional(plainText(LIMITS.maxTextLength)),
  windows: Type.Optional(Type.Array(LendingWindow, { maxItems: 32 })),
  timeZone: Type.Optional(plainText(64, 1)),
  onlyWhenIdle: Type.Optional(Type.Boolean()),
  caps: Type.Optional(
    Type.Object({
      cores: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
      memoryMiB: Type.Optional(Type.Integer({ minimum: 0 })),
      vramMiB: Type.Optional(Type.Integer({ minimum: 0 })),
      diskMiB: Type.Optional(Type.Integer({ minimum: 0 })),
      gpuTemperatureC: Type.Optional(Type.Integer({ minimum: 30, maximum: 120 })),
      bandwidthKiBps: Type.Optional(Type.Integer({ minimum: 16 })),
    }),
  ),
  workloads: Type.Optional(Type.Array(Name, { maxItems: 64, description: 'the only ones that it runs' })),
  kinds: Type.Optional(Type.Array(Kind, { maxItems: 256, description: 'the only ones that it serves' })),
  images: Type.Optional(
    Type.Array(plainText(256, 1), {
      maxItems: 256,
      description: 'the only ones that it runs; * stands for any text, and an image without a tag is its `:latest`',
    }),
  ),
});
export type DonorPolicy = Static<typeof DonorPolicy>;
