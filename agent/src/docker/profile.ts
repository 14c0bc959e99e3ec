/**
 * The whole configuration of a container is made in this file: the wire carries no mounts, privileges or devices. Two
 * profiles: services (images of the pool's catalogue, which may start as root and then drop it) and jobs (untrusted: they
 * get their own files, CPU and memory, and nothing else). Pure.
 */
import type { ContainerSpec } from '@rma/protocol/workload';
import type { CreateOptions } from './engine/engine-containers.js';
import { containerName, type Labels, networkName, type Owner, ofService, specHash, volumeName } from './labels.js';

const MIB = 1_048_576;
/** Where the job's volume is mounted, and its own directory in it. */
export const JOB_MOUNT = '/job';
export const JOB_DIR = '/job/work';
/** `nobody`: it owns nothing on the machine. */
export const JOB_UID = 65_534;

/** What the entry points of official images need to take over their volume and then drop root. */
const SERVICE_CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETGID', 'SETUID', 'NET_BIND_SERVICE', 'KILL'];
const LOG = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } };

export interface ServiceContainer {
  readonly owner: Owner;
  readonly workload: string;
  readonly spec: ContainerSpec;
  /** Full reference, with the digest if the spec has one. */
  readonly image: string;
  readonly secrets: Readonly<Record<string, string>>;
  /** Upper bound of the spec's cores. */
  readonly maxCores: number;
}

export function serviceOptions({ owner, workload, spec, image, secrets, maxCores }: ServiceContainer): CreateOptions {
  const labels: Labels = { ...ofService(owner, workload), 'rma.spec': specHash(spec) };
  const port = spec.port === undefined ? undefined : `${spec.port}/tcp`;
  const memory = spec.resources.memoryMiB * MIB;
  return {
    name: containerName(owner, workload),
    Image: image,
    ...(spec.command === undefined ? {} : { Cmd: [...spec.command] }),
    Env: Object.entries({ ...spec.env, ...secrets }).map(([name, value]) => `${name}=${value}`),
    Labels: { ...labels },
    ...(port === undefined ? {} : { ExposedPorts: { [port]: {} } }),
    HostConfig: {
      ...common(memory, Math.min(spec.resources.cores, maxCores)),
      CapAdd: SERVICE_CAPABILITIES,
      PidsLimit: 2_048,
      // Inference servers pass tensors between processes in shared memory.
      ShmSize: spec.gpu ? Math.floor(memory / 4) : 64 * MIB,
      NetworkMode: networkName(owner, spec.network),
      ...(port === undefined ? {} : { PortBindings: { [port]: [{ HostIp: '127.0.0.1', HostPort: '' }] } }),
      Mounts: (spec.volumes ?? []).map(({ name, path }) => ({
        Type: 'volume' as const,
        Source: volumeName(owner, workload, name),
        Target: path,
      })),
      ...(spec.gpu ? { DeviceRequests: [{ Driver: '', Count: -1, Capabilities: [['gpu']] }] } : {}),
    },
  };
}

/** Resources of one job. */
export interface JobLimits {
  readonly memoryMiB: number;
  readonly cores: number;
  readonly gpu: boolean;
}

export interface JobContainer extends JobLimits {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Labels;
  readonly volume: string;
}

export function jobOptions(job: JobContainer): CreateOptions {
  const memory = job.memoryMiB * MIB;
  return {
    name: job.name,
    Image: job.image,
    ...(job.command === undefined ? {} : { Cmd: [...job.command] }),
    Env: Object.entries({ HOME: '/tmp', ...job.env, RMA_JOB_DIR: JOB_DIR }).map(([name, value]) => `${name}=${value}`),
    Labels: { ...job.labels },
    User: `${JOB_UID}:${JOB_UID}`,
    WorkingDir: JOB_DIR,
    AttachStdout: true,
    AttachStderr: true,
    NetworkDisabled: true,
    HostConfig: {
      ...common(memory, job.cores),
      PidsLimit: 256,
      ReadonlyRootfs: true,
      Tmpfs: { '/tmp': `rw,nosuid,nodev,size=${Math.max(16, Math.floor(job.memoryMiB / 2))}m,mode=1777` },
      ShmSize: 64 * MIB,
      NetworkMode: 'none',
      Mounts: [{ Type: 'volume', Source: job.volume, Target: JOB_MOUNT }],
      // Volumes have no quota, so at least the size of a single file is limited.
      Ulimits: [
        { Name: 'fsize', Soft: 2_048 * MIB, Hard: 2_048 * MIB },
        { Name: 'nofile', Soft: 4_096, Hard: 4_096 },
        { Name: 'core', Soft: 0, Hard: 0 },
      ],
      ...(job.gpu ? { DeviceRequests: [{ Driver: '', Count: -1, Capabilities: [['gpu']] }] } : {}),
    },
  };
}

/** Both profiles: all capabilities dropped (services add a few), no new privileges, no swap, no restart by the engine. */
function common(memory: number, cores: number) {
  return {
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges:true'],
    Privileged: false,
    Memory: memory,
    MemorySwap: memory,
    NanoCpus: Math.round(cores * 1e9),
    IpcMode: 'private',
    LogConfig: LOG,
    RestartPolicy: { Name: 'no' },
  };
}
