/**
 * How much memory this process may use: the machine's, or less where a control group says so. Caches follow it, since
 * what is small on a server is a quarter of a 256 MB container.
 */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

/** Limits as a container sees its own group: version 2, version 1. What cannot be read limits nothing. */
const FILES = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'];

export interface MemorySources {
  /** Bytes of the machine. */
  readonly total: number;
  /** As libuv knows it, with the process's own group; 0 or above `total` for none. */
  readonly constrained: number;
  /** A file's text; undefined where there is none. */
  readonly read: (path: string) => string | undefined;
}

/** In bytes: the smallest of all limits. */
export function memoryLimit(sources: MemorySources = system()): number {
  const files = FILES.map((path) => Number.parseInt(sources.read(path) ?? '', 10));
  const limits = [sources.constrained, ...files].filter((bytes) => bytes > 0);
  return Math.min(sources.total, ...limits);
}

function system(): MemorySources {
  return {
    total: totalmem(),
    constrained: process.constrainedMemory?.() ?? 0,
    read(path) {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        return undefined;
      }
    },
  };
}
