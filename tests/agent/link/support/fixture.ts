/** What the tests of the agent share: a directory, runtimes in this process, agents that are all ended afterwards. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, createAgent } from '@rma/agent/agent';
import type { AgentOptions } from '@rma/agent/agent-options';
import type { Hardware } from '@rma/protocol/hardware';
import type { Execution, Job, JobListener, Outcome, Runtime, ServiceStatus } from '@rma/workloads/runtime';
import { afterEach, beforeEach, expect } from 'vitest';
import { TestCoordinator } from './coordinator.js';

export const HARDWARE: Hardware = {
  os: 'linux',
  arch: 'x64',
  cpu: { model: 'test', logicalCores: 2 },
  memory: { totalMiB: 4_096 },
  disk: { freeGiB: 100, totalGiB: 200 },
  gpus: [],
  container: false,
  notes: [],
};

/** One execution in the hands of a test. */
export interface Held {
  readonly job: Job;
  readonly listener: JobListener;
  cancelled: boolean;
  finish(outcome: Outcome): void;
}

/** A runtime whose executions end when a test says so, or at once with what `reply` makes of them. */
export class HeldRuntime implements Runtime {
  readonly held: Held[] = [];
  reply: ((job: Job, listener: JobListener) => Outcome | undefined) | undefined;
  stopped = false;
  #changed: () => void = () => undefined;
  #services: ServiceStatus[];

  constructor(kinds: readonly string[] = ['echo'], slots = 64) {
    this.#services = [{ name: 'held', runtime: 'embedded', state: 'healthy', kinds, slots }];
  }

  set(services: ServiceStatus[]): void {
    this.#services = services;
    this.#changed();
  }

  start(changed: () => void): Promise<void> {
    this.#changed = changed;
    return Promise.resolve();
  }

  services(): readonly ServiceStatus[] {
    return this.#services;
  }

  execute(job: Job, listener: JobListener): Execution {
    const reply = this.reply?.(job, listener);
    if (reply) return { done: Promise.resolve(reply), cancel: () => undefined };
    let finish: (outcome: Outcome) => void = () => undefined;
    const done = new Promise<Outcome>((resolve) => {
      finish = resolve;
    });
    const held: Held = { job, listener, cancelled: false, finish };
    this.held.push(held);
    const cancel = (): void => {
      held.cancelled = true;
      finish({ ok: false, error: { code: 'cancelled', message: 'stopped', retryable: false } });
    };
    return { done, cancel };
  }

  stop(): Promise<void> {
    this.stopped = true;
    for (const { finish } of this.held)
      finish({ ok: false, error: { code: 'stopped', message: 'stopped', retryable: true } });
    return Promise.resolve();
  }
}

export interface Fixture {
  directory: string;
  coordinator: TestCoordinator;
  agent(options?: Partial<AgentOptions>): Agent;
}

/** A fresh coordinator and directory for each test; afterwards nothing may be left. */
export function useFixture(): Fixture {
  const agents: Agent[] = [];
  const fixture: Fixture = {
    directory: '',
    coordinator: new TestCoordinator(),
    agent(options = {}) {
      const agent = createAgent({
        url: fixture.coordinator.url,
        token: 'join-token',
        stateDir: join(fixture.directory, 'state'),
        name: 'test',
        hardware: HARDWARE,
        sample: false,
        ...options,
      });
      agents.push(agent);
      return agent;
    },
  };
  beforeEach(async () => {
    fixture.directory = mkdtempSync(join(tmpdir(), 'rma-link-'));
    fixture.coordinator = await TestCoordinator.start();
  });
  afterEach(async () => {
    for (const agent of agents.splice(0)) {
      await agent.stop();
      expect((await agent.ended).exitStatus).toBeTypeOf('number');
    }
    await fixture.coordinator.down();
    rmSync(fixture.directory, { recursive: true, force: true });
  });
  return fixture;
}
