/**
 * NVIDIA GPUs (`readGpus`) and their load (`readGpuLoads`), from nvidia-smi's CSV. Parsing is pure; nvidia-smi.ts runs the
 * program. Lines of its output that are no rows become notes for people.
 * Fields as `nvidia-smi --help-query-gpu` defines them.
 */
import { type Gpu, type GpuLoad, hardwareLimits } from '@rma/protocol/hardware';
import { plainLine } from '../plain-line.js';
import type { RunSmi, SmiAnswer } from './nvidia-smi.js';

/** `absent`: the machine has none. `failed`: it has some that cannot be used now. */
export interface GpuReport {
  readonly status: 'ok' | 'absent' | 'failed';
  readonly gpus: Gpu[];
  readonly notes: string[];
}

const gpuFields = ['index', 'name', 'memory.total', 'memory.free', 'driver_version', 'uuid', 'mig.mode.current'];
const loadFields = ['index', 'utilization.gpu', 'temperature.gpu', 'memory.used'];
const query = (fields: readonly string[]) => [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'];

/**
 * The machine's NVIDIA GPUs. Never rejects.
 * @param sharedMemoryMiB counts as the VRAM of GPUs that share the system's memory, which report none
 */
export async function readGpus(run: RunSmi, sharedMemoryMiB: number): Promise<GpuReport> {
  const [first, version] = await Promise.all([run(query(gpuFields)), run(['--version'])]);
  let answer = first;
  let fields = gpuFields;
  if (answer.kind === 'done' && /"mig\.mode\.current" is not a valid field/i.test(answer.output)) {
    fields = gpuFields.filter((field) => field !== 'mig.mode.current'); // drivers before 450 know no MIG
    answer = await run(query(fields));
  }
  if (answer.kind !== 'done') return unanswered(answer);
  const report = parseGpus(answer.output, fields, sharedMemoryMiB);
  const migIndexes = report.migIndexes;
  const migs = migIndexes.length > 0 ? await run(['-L']) : undefined;
  const divided = migs === undefined ? { gpus: report.gpus, notes: [] } : divide(report, migs);
  const cuda = version.kind === 'done' ? parseCudaVersion(version.output) : undefined;
  const gpus = divided.gpus.slice(0, hardwareLimits.gpus).map((gpu) => (cuda === undefined ? gpu : { ...gpu, cuda }));
  const notes = [...report.notes, ...divided.notes];
  return { status: gpus.length > 0 ? 'ok' : 'failed', gpus, notes };
}

/** The load of the GPUs. A `status` other than `ok` means that the next query should wait. Never rejects. */
export async function readGpuLoads(run: RunSmi): Promise<{ status: GpuReport['status']; gpus: GpuLoad[] }> {
  const answer = await run(query(loadFields));
  if (answer.kind !== 'done') return { status: answer.kind === 'absent' ? 'absent' : 'failed', gpus: [] };
  const gpus = parseGpuLoads(answer.output);
  return { status: gpus.length > 0 ? 'ok' : 'failed', gpus };
}

/** Parses a GPU query: the GPUs, the indexes of those divided by MIG, and a note per problem. */
export function parseGpus(
  output: string,
  fields: readonly string[],
  sharedMemoryMiB: number,
): { gpus: Gpu[]; migIndexes: number[]; notes: string[] } {
  const { rows, complaints } = parseRows(output, fields);
  const notes = complaints.map(explain);
  const gpus: Gpu[] = [];
  const migIndexes: number[] = [];
  for (const row of rows) {
    const index = Number(row.index);
    const name = plainLine(row.name ?? '', hardwareLimits.nameLength);
    const free = amount(row['memory.free']);
    const driver = reported(row.driver_version);
    const uuid = reported(row.uuid);
    let vramMiB = amount(row['memory.total']);
    if (vramMiB === undefined && unifiedMemory.test(name)) {
      vramMiB = sharedMemoryMiB;
      notes.push(note(`GPU ${index} (${name}) shares the system's memory, which counts as its VRAM`));
    } else if (vramMiB === undefined && row['mig.mode.current'] !== 'Enabled') {
      notes.push(note(`GPU ${index} (${name}) does not report its memory: ${row['memory.total']}; it counts as 0 MiB`));
    }
    if (row['mig.mode.current'] === 'Enabled') migIndexes.push(index);
    gpus.push({
      index,
      name,
      vendor: 'NVIDIA',
      vramMiB: vramMiB ?? 0,
      ...(free !== undefined && { vramFreeMiB: free }),
      ...(driver !== undefined && { driver: plainLine(driver, 64) }),
      ...(uuid !== undefined && { uuid: plainLine(uuid, 96) }),
    });
  }
  return { gpus, migIndexes, notes };
}

/** Parses a load query. What a GPU does not report (with MIG its load, with unified memory its use) is left out. */
export function parseGpuLoads(output: string): GpuLoad[] {
  return parseRows(output, loadFields)
    .rows.slice(0, hardwareLimits.gpus)
    .map((row) => {
      const percent = amount(row['utilization.gpu']);
      const temperatureC = amount(row['temperature.gpu']);
      const vramUsedMiB = amount(row['memory.used']);
      return {
        index: Number(row.index),
        ...(percent !== undefined && { load: Math.min(1, percent / 100) }),
        ...(vramUsedMiB !== undefined && { vramUsedMiB }),
        ...(temperatureC !== undefined && temperatureC <= 300 && { temperatureC }),
      };
    });
}

/** A MIG device of `nvidia-smi -L`. */
export interface MigDevice {
  readonly gpuIndex: number;
  readonly profile: string;
  readonly uuid: string;
  readonly vramMiB: number;
}

/**
 * The MIG devices of `nvidia-smi -L`, with memory = 0.88 * the GB in the profile's name: `nvidia-smi mig -lgip` shows
 * 4.75 GiB for 1g.5gb (A100), 19.62 for 3g.20gb, and 16.00 for 1g.18gb (H200), which is the lowest ratio.
 */
export function parseMigDevices(listing: string): MigDevice[] {
  const devices: MigDevice[] = [];
  let gpuIndex = -1;
  for (const line of listing.split('\n')) {
    gpuIndex = Number(/^GPU (\d+):/.exec(line)?.[1] ?? gpuIndex);
    const device = /^\s+MIG (\S*?(\d+)gb\S*)\s+Device\s+\d+: \(UUID: ([^)]+)\)/.exec(line);
    if (device === null || gpuIndex < 0) continue;
    const [, profile = '', gb, uuid = ''] = device;
    devices.push({ gpuIndex, profile, uuid, vramMiB: Math.floor(Number(gb) * 1024 * 0.88) });
  }
  return devices;
}

/** The newest CUDA version that the driver supports, from `nvidia-smi --version`. */
export function parseCudaVersion(output: string): string | undefined {
  return /^CUDA(?: UMD)? Version\s*:\s*(\d{1,3}\.\d{1,3})\s*$/im.exec(output)?.[1];
}

// GPUs known to answer [N/A] for their memory because they have none of their own.
const unifiedMemory = /\b(?:GB10|Orin|Thor|Xavier|Tegra)\b/i;

const note = (text: string) => plainLine(text, hardwareLimits.noteLength);

/** A column's value; `undefined` for `[N/A]`, `[Not Supported]`, `[Unknown Error]`, `ERR!` and the like. */
function reported(value: string | undefined): string | undefined {
  return value === undefined || value === '' || /^(?:\[.*\]|N\/A|ERR!)$/i.test(value) ? undefined : value;
}

function amount(value: string | undefined): number | undefined {
  const text = reported(value);
  return text !== undefined && /^\d{1,8}$/.test(text) ? Number(text) : undefined;
}

type Row = Readonly<Record<string, string>>;

/** A row begins with an index and has a value per field; extra commas belong to the name. Any other line is a complaint. */
function parseRows(output: string, fields: readonly string[]): { rows: Row[]; complaints: string[] } {
  const rows: Row[] = [];
  const complaints: string[] = [];
  const nameAt = fields.indexOf('name');
  for (const line of output.split(/\r?\n/)) {
    const values = line.split(',').map((value) => value.trim());
    const extra = values.length - fields.length;
    if (extra > 0 && nameAt >= 0) values.splice(nameAt, extra + 1, values.slice(nameAt, nameAt + extra + 1).join(', '));
    if (values.length === fields.length && /^\d{1,2}$/.test(values[0] ?? '')) {
      rows.push(Object.fromEntries(fields.map((field, at) => [field, values[at] ?? ''])));
    } else if (line.trim() !== '') {
      complaints.push(line.trim());
    }
  }
  return { rows, complaints };
}

const remedies: readonly [RegExp, string][] = [
  [/couldn't communicate with the NVIDIA driver/i, 'load or install the NVIDIA driver, then restart the agent'],
  [/driver\/library version mismatch/i, 'the driver was updated while loaded: reboot'],
  [/couldn't find libnvidia-ml|libnvidia-ml\.so/i, 'install the NVIDIA driver that matches nvidia-smi'],
  [/unable to determine the device handle|gpu is lost|requires reset/i, 'reset the GPU or reboot'],
  [
    /failed to initialize NVML: (?:unknown error|insufficient permissions)/i,
    'check that the container has the GPU (--gpus)',
  ],
];

function explain(complaint: string): string {
  const remedy = remedies.find(([pattern]) => pattern.test(complaint))?.[1];
  return note(`nvidia-smi: ${plainLine(complaint, 200)}${remedy === undefined ? '' : ` (${remedy})`}`);
}

function unanswered(answer: Exclude<SmiAnswer, { kind: 'done' }>): GpuReport {
  if (answer.kind === 'absent') return { status: 'absent', gpus: [], notes: ['nvidia-smi not found'] };
  const seconds = answer.afterMs / 1000;
  return {
    status: 'failed',
    gpus: [],
    notes: [`nvidia-smi did not answer within ${seconds} s (the driver hangs: reset the GPU or reboot)`],
  };
}

/** Replaces GPUs in MIG mode, which cannot be used as a whole, by their MIG devices. */
function divide(report: ReturnType<typeof parseGpus>, listing: SmiAnswer): { gpus: Gpu[]; notes: string[] } {
  const devices = listing.kind === 'done' ? parseMigDevices(listing.output) : [];
  const notes: string[] = [];
  const gpus = report.gpus.flatMap((gpu) => {
    if (!report.migIndexes.includes(gpu.index)) return [gpu];
    const own = devices.filter((device) => device.gpuIndex === gpu.index);
    if (own.length === 0)
      notes.push(note(`GPU ${gpu.index} (${gpu.name}) is in MIG mode and has no MIG device to use`));
    const { vramFreeMiB: _ofTheWholeCard, ...whole } = gpu;
    return own.map(({ profile, uuid, vramMiB }) => ({
      ...whole,
      vramMiB,
      uuid: plainLine(uuid, 96),
      mig: plainLine(profile, 32),
    }));
  });
  return { gpus, notes };
}
