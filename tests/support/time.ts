/** Limits on time that hold on a busy machine, too. */
import { availableParallelism, loadavg } from 'node:os';

/**
 * A limit on wall time, as it is on a machine that has its processors to itself; where several processes wait for each
 * of them it is longer by as much.
 */
export function wallLimit(ms: number): number {
  return ms * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
}

/** The processor time that it takes in this process, in ms: other processes don't add to it. */
export function processorMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
