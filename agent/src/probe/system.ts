/**
 * What Node does not report, or reports wrongly on some systems, from systeminformation (imported here only). Most calls
 * start other programs (lspci, sensors, PowerShell).
 */
import os from 'node:os';
import type { Gpu } from '@rma/protocol/hardware';
import si from 'systeminformation';
import { plainLine } from '../plain-line.js';

/** The processor's name: from Node, which has none on many ARM systems, else from systeminformation. */
export async function cpuModel(): Promise<string> {
  const known = os.cpus()[0]?.model.trim();
  if (known && known !== 'unknown') return known;
  const cpu = await si.cpu();
  return `${cpu.manufacturer} ${cpu.brand}`.trim() || `unknown ${os.arch()} processor`;
}

/**
 * Graphics processors of all vendors, for machines where nvidia-smi is absent (systeminformation runs nvidia-smi
 * synchronously where it exists, and a hanging driver would hang the agent). On Linux their memory is left 0: lspci
 * shows the size of a PCI window, not of the memory.
 */
export async function graphicsProcessors(): Promise<Gpu[]> {
  const { controllers } = await si.graphics();
  return controllers.slice(0, 16).map((controller, index) => ({
    index,
    name: plainLine(controller.model || controller.name || 'unknown', 128),
    vendor: shortVendor(`${controller.vendor} ${controller.model}`),
    vramMiB: process.platform === 'linux' ? 0 : Math.max(0, Math.floor(controller.vram ?? 0)),
  }));
}

/** The CPU's temperature in °C; `undefined` where it is not reported (virtual machines, most of Windows). */
export async function cpuTemperatureC(): Promise<number | undefined> {
  const { main } = await si.cpuTemperature();
  return typeof main === 'number' && main > 0 && main <= 300 ? main : undefined;
}

/** Memory in use on the whole machine, in bytes, without reclaimable cache. */
export async function hostMemoryUsedBytes(): Promise<number> {
  // macOS counts file cache and inactive pages as used, so that `freemem` is always near 0.
  if (process.platform !== 'darwin') return os.totalmem() - os.freemem();
  const memory = await si.mem();
  return memory.total - memory.available;
}

function shortVendor(text: string): string {
  if (/nvidia/i.test(text)) return 'NVIDIA';
  if (/\bamd\b|\bati\b|advanced micro devices/i.test(text)) return 'AMD';
  if (/intel/i.test(text)) return 'Intel';
  if (/apple/i.test(text)) return 'Apple';
  return plainLine(text, 64);
}
