/** What the tests of the embedded runtime share: one runtime at a time, and the proof that it left nothing behind. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createEmbeddedRuntime, type EmbeddedRuntimeOptions } from '@rma/workloads/host/embedded-runtime';
import { KINDS } from '@rma/workloads/manifests';
import type { Execution, Failure, Outcome, Runtime, ServiceStatus } from '@rma/workloads/runtime';
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { schemaProblems } from '../schema.js';

/** The path of a file in `fixtures`. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}

/** The path of a file in `docs/samples`. */
export function sample(name: string): string {
  return fileURLToPath(new URL(`../../../docs/samples/${name}`, import.meta.url));
}

/** Whether a process is there and not only waiting to be reaped. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

export async function untilGone(pid: number): Promise<void> {
  await vi.waitFor(() => expect(isAlive(pid), `process ${pid} is gone`).toBe(false), { timeout: 8_000, interval: 50 });
}

/** One job as it ran. */
export interface Ran {
  readonly outcome: Outcome;
  readonly chunks: readonly unknown[];
  readonly progress: readonly (readonly [number, string | undefined])[];
}

/** A runtime under test. */
export class Harness {
  readonly runtime: Runtime;
  readonly states: string[] = [];
  readonly warnings: string[] = [];
  #stopped: Promise<void> | undefined;

  constructor(options: EmbeddedRuntimeOptions) {
    const log = {
      debug: () => undefined,
      warn: (_fields: object, message: string) => void this.warnings.push(message),
    };
    this.runtime = createEmbeddedRuntime({ slots: 1, log, ...options });
  }

  async start(): Promise<void> {
    await this.runtime.start(() => {
      this.states.push(
        this.runtime
          .services()
          .map((service) => service.state)
          .join(),
      );
    });
  }

  service(name: string): ServiceStatus {
    const found = this.runtime.services().find((service) => service.name === name);
    if (!found) throw new Error(`no service ${name}`);
    return found;
  }

  async until(name: string, state: ServiceStatus['state']): Promise<ServiceStatus> {
    await vi.waitFor(() => expect(this.service(name)).toMatchObject({ state }), { timeout: 20_000, interval: 20 });
    return this.service(name);
  }

  begin(
    kind: string,
    input: unknown,
    timeoutMs = 20_000,
  ): { execution: Execution; ran: Promise<Ran>; chunks: unknown[] } {
    const chunks: unknown[] = [];
    const progress: [number, string | undefined][] = [];
    const execution = this.runtime.execute(
      { kind, input, timeoutMs },
      { chunk: (value) => void chunks.push(value), progress: (fraction, note) => void progress.push([fraction, note]) },
    );
    const ran = execution.done.then((outcome) => {
      const schema = KINDS.get(kind)?.output;
      // Whatever a test looks at: every output is as its manifest says.
      if (outcome.ok && schema !== undefined) expect(schemaProblems(schema, outcome.output)).toEqual([]);
      return { outcome, chunks, progress };
    });
    return { execution, chunks, ran };
  }

  run(kind: string, input: unknown, timeoutMs?: number): Promise<Ran> {
    return this.begin(kind, input, timeoutMs).ran;
  }

  /** The output of a job that has to succeed. */
  async output(kind: string, input: unknown, timeoutMs?: number): Promise<unknown> {
    const { outcome } = await this.run(kind, input, timeoutMs);
    if (!outcome.ok) throw new Error(`${outcome.error.code}: ${outcome.error.message}`);
    return outcome.output;
  }

  /** The failure of a job that has to fail. */
  async failure(kind: string, input: unknown, timeoutMs?: number): Promise<Failure> {
    const { outcome } = await this.run(kind, input, timeoutMs);
    if (outcome.ok) throw new Error(`${kind} succeeded`);
    return outcome.error;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.runtime.stop();
    return this.#stopped;
  }
}

/** A runtime with these workloads, healthy from a file's first test to its last. */
export function useWorkloads(...workloads: readonly string[]): Harness {
  const harness = new Harness({ workloads });
  beforeAll(async () => {
    await harness.start();
    for (const name of workloads) await harness.until(name, 'healthy');
  });
  afterAll(async () => {
    await harness.stop();
    await assertNoHandlerProcessLeft();
  });
  return harness;
}

/** The bytes of a file. */
export function bytesOfFile(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path));
}

/** Asserts that a process listing of this one's children holds no handler process; Linux tells. */
export async function assertNoHandlerProcessLeft(): Promise<void> {
  if (!existsSync('/proc/self/task')) return;
  const left = readdirSync('/proc').filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${entry}/status`, 'utf8'))?.[1];
      return Number(parent) === process.pid && readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes('host/child.js');
    } catch (error) {
      // It ended while the listing was read.
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
        return false;
      throw error;
    }
  });
  expect(left).toEqual([]);
}
