/**
 * What a worker reports about its machine: `Hardware` once a session, `LoadSample` every few seconds.
 * Figures are what the agent may *use* (cgroup limits, not the host's size). The values come from
 * strangers: everything has a bound, and text carries no control characters (people read it in terminals).
 */
import { type Static, Type } from 'typebox';
import { plainText } from './plain-text.js';

const Text = (maxLength: number) => plainText(maxLength);

/** The bounds of the schemas below; a probe truncates its findings to them. */
export const hardwareLimits = { gpus: 64, notes: 32, noteLength: 300, nameLength: 128 } as const;

const maxMiB = 2 ** 28;
const MiB = Type.Integer({ minimum: 0, maximum: maxMiB });
const GiB = Type.Number({ minimum: 0, maximum: 2 ** 30 });
const Celsius = Type.Number({ minimum: -100, maximum: 300 });
const Fraction = Type.Number({ minimum: 0, maximum: 1 });
const GpuIndex = Type.Integer({ minimum: 0, maximum: 255 });

/** One graphics processor, or one MIG device (a slice of a GPU that its owner divided). */
export const Gpu = Type.Object({
  /** As the vendor's tool counts. MIG devices carry the index of the GPU that they are a slice of. */
  index: GpuIndex,
  name: Text(hardwareLimits.nameLength),
  /** `NVIDIA`, `AMD`, `Intel`, `Apple`, … Only NVIDIA counts for tier 1. */
  vendor: Text(64),
  /** Total memory; of a unified-memory GPU (GB10, Jetson) the system memory that the agent may use; 0 where unknown. */
  vramMiB: MiB,
  vramFreeMiB: Type.Optional(MiB),
  driver: Type.Optional(Text(64)),
  /** The newest CUDA version that the driver runs. */
  cuda: Type.Optional(Text(32)),
  uuid: Type.Optional(Text(96)),
  /** The profile of a MIG device, for example `3g.20gb`. */
  mig: Type.Optional(Text(32)),
});
export type Gpu = Static<typeof Gpu>;

/** The machine as the agent may use it. Unknown fields are ignored. */
export const Hardware = Type.Object({
  /** As Node names it: `linux`, `darwin`, `win32`. */
  os: Text(64),
  /** As Node names it: `x64`, `arm64`. */
  arch: Text(32),
  hostname: Type.Optional(Text(253)),
  cpu: Type.Object({
    model: Text(hardwareLimits.nameLength),
    /** Usable logical cores; a fraction under a cgroup quota. */
    logicalCores: Type.Number({ exclusiveMinimum: 0, maximum: 65_536 }),
  }),
  memory: Type.Object({
    /** Usable memory: the smaller of the machine's and the cgroup's. */
    totalMiB: MiB,
  }),
  /** Of the file system that holds the agent's state directory. */
  disk: Type.Object({ freeGiB: GiB, totalGiB: GiB }),
  gpus: Type.Array(Gpu, { maxItems: hardwareLimits.gpus }),
  container: Type.Boolean(),
  /** Remarks on the figures: "limited to 2 cores by cgroup v2", "nvidia-smi not found". */
  notes: Type.Array(Text(hardwareLimits.noteLength), { maxItems: hardwareLimits.notes }),
});
export type Hardware = Static<typeof Hardware>;

/** The load of one GPU; what its driver does not report is absent. */
export const GpuLoad = Type.Object({
  index: GpuIndex,
  /** Share of the last sample period in which a kernel ran. */
  load: Type.Optional(Fraction),
  vramUsedMiB: Type.Optional(MiB),
  temperatureC: Type.Optional(Celsius),
});
export type GpuLoad = Static<typeof GpuLoad>;

/** The load of the machine. */
export const LoadSample = Type.Object({
  /** 0 to 1 of the usable cores, since the last sample. */
  cpu: Fraction,
  /** Without reclaimable memory (page cache). */
  memoryUsedMiB: MiB,
  /** Of the CPU. */
  temperatureC: Type.Optional(Celsius),
  gpus: Type.Array(GpuLoad, { maxItems: hardwareLimits.gpus }),
});
export type LoadSample = Static<typeof LoadSample>;
