/**
 * Probes the machine's hardware, once per start. Never throws: a part that fails or takes too long becomes a note. Takes
 * well under 1.5 s, unless an NVIDIA driver initialises first: that is waited for, since "no GPU" would stay wrong for as
 * long as the agent runs.
 */
import { statfs } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { errorMessage, hasErrorCode } from '@rma/protocol/error';
import { type Hardware, hardwareLimits } from '@rma/protocol/hardware';
import { plainLine } from '../plain-line.js';
import { inContainer, type ReadFile } from './cgroup.js';
import { readGpus } from './gpu.js';
import { nvidiaSmi, type RunSmi } from './nvidia-smi.js';
import { readSmallFile } from './read-file.js';
import { cpuModel, graphicsProcessors } from './system.js';
import { usableOf } from './usable.js';

export interface ProbeOptions {
  /** The agent's state directory, whose file system is measured. It need not exist yet. */
  readonly stateDir: string;
  readonly smi?: RunSmi;
  readonly read?: ReadFile;
  /** Timeout of the parts that placement does not need (CPU name, other vendors' GPUs). Default 1,200. */
  readonly partTimeoutMs?: number;
}

/** The hardware that this process may use, valid by the `Hardware` schema. Never rejects. */
export async function probeHardware(options: ProbeOptions): Promise<Hardware> {
  const { stateDir, smi = nvidiaSmi(), read = readSmallFile, partTimeoutMs = 1200 } = options;
  const failures: string[] = [];
  const part = async <T>(name: string, fallback: T, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      failures.push(`${name}: ${errorMessage(error)}`);
      return fallback;
    }
  };

  const usable = usableOf({ logicalCores: os.cpus().length, memoryBytes: os.totalmem() }, read);
  const [model, disk, gpus] = await Promise.all([
    part('CPU name', 'unknown', () => within(partTimeoutMs, cpuModel())),
    part('disk', { freeGiB: 0, totalGiB: 0 }, () => diskOf(stateDir)),
    part('GPUs', { gpus: [], notes: [] }, () => gpusOf(smi, usable.memoryMiB, partTimeoutMs)),
  ]);

  return {
    os: os.platform(),
    arch: os.arch(),
    hostname: plainLine(os.hostname(), 253),
    cpu: { model: plainLine(model, hardwareLimits.nameLength), logicalCores: usable.cores },
    memory: { totalMiB: usable.memoryMiB },
    disk,
    gpus: gpus.gpus,
    container: inContainer(read, process.env),
    notes: [...usable.notes, ...gpus.notes, ...failures]
      .slice(0, hardwareLimits.notes)
      .map((note) => plainLine(note, hardwareLimits.noteLength)),
  };
}

type Gpus = Pick<Hardware, 'gpus' | 'notes'>;

async function gpusOf(smi: RunSmi, sharedMemoryMiB: number, partTimeoutMs: number): Promise<Gpus> {
  const nvidia = await readGpus(smi, sharedMemoryMiB);
  if (nvidia.status !== 'absent') return nvidia;
  const notes = [...nvidia.notes];
  let all: Hardware['gpus'] = [];
  try {
    all = await within(partTimeoutMs, graphicsProcessors());
  } catch (error) {
    notes.push(`other GPUs: ${errorMessage(error)}`);
  }
  // An NVIDIA card without its driver cannot be used, although the PCI bus lists it.
  const unusable = all.filter((gpu) => gpu.vendor === 'NVIDIA');
  notes.push(...unusable.map((gpu) => `${gpu.name} cannot be used: install the NVIDIA driver, then restart the agent`));
  return { gpus: all.filter((gpu) => gpu.vendor !== 'NVIDIA'), notes };
}

/** Free (for a user without privileges) and total size of the file system that holds, or will hold, a directory. */
async function diskOf(directory: string): Promise<Hardware['disk']> {
  for (let at = path.resolve(directory); ; at = path.dirname(at)) {
    try {
      const { bavail, blocks, bsize } = await statfs(at);
      return { freeGiB: gib(bavail * bsize), totalGiB: gib(blocks * bsize) };
    } catch (error) {
      const missing = hasErrorCode(error, 'ENOENT');
      if (!missing || at === path.dirname(at)) throw error;
    }
  }
}

const gib = (bytes: number) => Math.floor((bytes / 2 ** 30) * 100) / 100;

function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
