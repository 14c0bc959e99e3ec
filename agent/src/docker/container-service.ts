/**
 * The container of one assigned workload. A reconciliation loop: it compares what the engine has with the spec and pulls,
 * starts, checks, restarts (with backoff) or replaces accordingly. A restart of the agent, an exit of the container and an
 * absence of the engine are therefore handled by the same code.
 */
import { errorMessage } from '@rma/protocol/error';
import { imageRef } from '@rma/protocol/image-pattern';
import type { ContainerSpec } from '@rma/protocol/workload';
import type { LogLine, ServiceState } from '@rma/workloads/runtime';
import { plainLine } from '../plain-line.js';
import type { ContainerHost } from './container-host.js';
import type { ContainerSummary } from './engine/engine-containers.js';
import { EngineError } from './engine/engine-error.js';
import { lastLine, linesOf } from './engine/log-frames.js';
import { type Address, checkHealth } from './health.js';
import { PullError } from './images.js';
import { containerName, ofService, specHash, volumeName } from './labels.js';
import { inWords, pauseMs, wait } from './pause.js';
import { serviceOptions } from './profile.js';
import type { PullBytes } from './pull-progress.js';
import { exitReason, startReason } from './reasons.js';

const STOP_GRACE_SECONDS = 10;
const START_SECONDS = 120;
const STARTING_CHECK_MS = 500;
const CHECK_SECONDS = 10;
/** Consecutive failed checks after which a healthy service gets no more tasks, and after which it is restarted. */
const UNHEALTHY_AFTER = 2;
const RESTART_AFTER = 6;
/** After being healthy for so long a service starts anew with the shortest backoff. */
const RESET_MS = 120_000;
const ENGINE_PAUSE_MS = 30_000;

/** A failure of the service itself; the message becomes its reason. */
class ServiceFailure extends Error {}

export interface ContainerServiceEvents {
  changed(): void;
  /** The address of its port while it is healthy; undefined while it is not. */
  reachable(address: Address | undefined): void;
}

export class ContainerService {
  readonly #host: ContainerHost;
  readonly #workload: string;
  readonly #events: ContainerServiceEvents;
  readonly #stopping = new AbortController();
  /** Aborts the current iteration of the loop. */
  #iteration = new AbortController();
  #spec: ContainerSpec;
  #loop: Promise<void> | undefined;
  #state: ServiceState = 'pending';
  #reason: string | undefined;
  #pull: PullBytes | undefined;
  #reachable = '';
  #container: string | undefined;
  /** The running container that was healthy: it keeps serving while the image of its successor cannot be pulled. */
  #lastHealthy: { readonly id: string; readonly spec: ContainerSpec } | undefined;
  #healthySinceMs = 0;

  constructor(host: ContainerHost, workload: string, spec: ContainerSpec, events: ContainerServiceEvents) {
    this.#host = host;
    this.#workload = workload;
    this.#spec = spec;
    this.#events = events;
  }

  get spec(): ContainerSpec {
    return this.#spec;
  }

  get status(): { readonly state: ServiceState; readonly reason?: string; readonly pull?: PullBytes } {
    return {
      state: this.#state,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      ...(this.#pull === undefined ? {} : { pull: this.#pull }),
    };
  }

  start(): void {
    this.#host.containerOwners.set(this.#workload, this);
    this.#loop ??= this.#reconcile();
  }

  /** Replaces the container once the new image is pulled; an equal spec changes nothing. */
  update(spec: ContainerSpec): void {
    if (specHash(spec) === specHash(this.#spec)) return;
    this.#spec = spec;
    this.#iteration.abort();
  }

  /** Stops and removes the container; its volumes stay. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#iteration.abort();
    await this.#loop;
    this.#move('stopped');
    if (this.#host.containerOwners.get(this.#workload) !== this) return;
    this.#host.containerOwners.delete(this.#workload);
    try {
      await this.#removeAll(await this.#ownContainers());
    } catch (error) {
      this.#host.log.warn(
        { service: this.#workload },
        `the container of ${this.#workload} could not be removed (${errorMessage(error)}): the next start does`,
      );
    }
  }

  /** The last lines that it wrote, after `since` where given. */
  async logs(lines: number, since: string | undefined): Promise<LogLine[]> {
    const container = this.#container ?? (await this.#ownContainers())[0]?.id;
    if (container === undefined) return [];
    const seconds = since === undefined ? 0 : Math.floor(Date.parse(since) / 1_000) || 0;
    const all = linesOf(await this.#host.engine.containers.logs(container, lines, seconds));
    return since === undefined ? all : all.filter(({ at }) => at > since);
  }

  async #reconcile(): Promise<void> {
    let failures = 0;
    let engineTries = 0;
    while (!this.#stopping.signal.aborted) {
      this.#iteration = new AbortController();
      const { signal } = this.#iteration;
      try {
        const spec = this.#spec;
        const container = await this.#ensure(spec, signal);
        engineTries = 0;
        await this.#watch(container, spec, failures, signal);
      } catch (error) {
        if (signal.aborted) continue;
        if (error instanceof EngineError && error.gone) {
          engineTries += 1;
          const pause = pauseMs(engineTries, ENGINE_PAUSE_MS);
          this.#unhealthy(`the container engine does not answer (${plainLine(error.message, 160)})`, pause);
          await wait(pause, signal);
          continue;
        }
        if (this.#healthySinceMs > 0 && performance.now() - this.#healthySinceMs > RESET_MS) failures = 0;
        this.#healthySinceMs = 0;
        failures += 1;
        const pause = pauseMs(failures);
        if (error instanceof PullError && (await this.#servePrevious(error, pause, signal))) continue;
        this.#unhealthy(reasonOf(error), pause);
        await wait(pause, signal);
      }
    }
  }

  /** The new image cannot be pulled: the previous container serves until the next try. */
  async #servePrevious(error: PullError, pause: number, signal: AbortSignal): Promise<boolean> {
    const previous = this.#lastHealthy;
    if (previous === undefined) return false;
    const retry = AbortSignal.any([signal, AbortSignal.timeout(pause)]);
    this.#move('healthy', `runs its earlier image: ${error.message}; next try in ${inWords(pause)}`);
    try {
      await this.#watch(previous.id, previous.spec, 0, retry);
      return true;
    } catch (ended) {
      this.#host.log.debug({ error: errorMessage(ended) }, `${this.#workload} ended before its successor was started`);
      this.#lastHealthy = undefined;
      return false;
    }
  }

  /** The running container of this spec: an existing one, else a new one. */
  async #ensure(spec: ContainerSpec, signal: AbortSignal): Promise<string> {
    const { cores, engine, images, secrets, owner } = this.#host;
    const hash = specHash(spec);
    const before = await this.#ownContainers();
    const same = before.find(({ running, labels }) => running && labels['rma.spec'] === hash);
    if (same !== undefined) {
      await this.#removeAll(before.filter(({ id }) => id !== same.id));
      return same.id;
    }
    const image = imageRef(spec.image, spec.digest);
    const serving = this.#state === 'healthy' && before.some(({ running }) => running);
    const report = (bytes: PullBytes): void => {
      this.#pull = bytes;
      if (serving) this.#events.changed();
      else this.#move('pulling');
    };
    try {
      await images.ensure(image, report, signal);
    } finally {
      this.#pull = undefined;
    }
    signal.throwIfAborted();
    this.#reach(undefined);
    this.#move('starting');
    await this.#removeAll(before);
    const name = containerName(owner, this.#workload);
    for (const volume of spec.volumes ?? []) {
      await engine.volumes.create(volumeName(owner, this.#workload, volume.name), ofService(owner, this.#workload));
    }
    await this.#host.prepareNetwork(spec.network);
    const container = await engine.containers.create(
      serviceOptions({
        owner,
        workload: this.#workload,
        spec,
        image,
        secrets: secrets.of(name, spec.secrets ?? []),
        maxCores: cores,
      }),
    );
    try {
      await engine.containers.start(container);
    } catch (error) {
      if (error instanceof EngineError && error.gone) throw error;
      await engine.containers.remove(container);
      throw new ServiceFailure(startReason(errorMessage(error)));
    }
    return container;
  }

  /** Returns when aborted; throws when the container exited or is unhealthy for good. */
  async #watch(container: string, spec: ContainerSpec, failures: number, signal: AbortSignal): Promise<void> {
    const { engine } = this.#host;
    this.#container = container;
    const over = new AbortController();
    const watched = AbortSignal.any([signal, over.signal]);
    const exit = engine.containers.wait(container, watched);
    try {
      await Promise.race([exit, this.#check(container, spec, watched)]);
      if (signal.aborted) return;
      throw await this.#exited(container, spec, failures);
    } finally {
      over.abort();
      exit.catch(() => undefined);
      if (!signal.aborted) {
        this.#reach(undefined);
        this.#lastHealthy = undefined;
      }
    }
  }

  /** Checks its health at intervals until aborted; throws when it is given up. */
  async #check(container: string, spec: ContainerSpec, signal: AbortSignal): Promise<void> {
    const { health } = spec;
    const startMs = (health?.startSeconds ?? START_SECONDS) * 1_000;
    const everyMs = (health?.intervalSeconds ?? CHECK_SECONDS) * 1_000;
    const startedAtMs = performance.now();
    let wasHealthy = false;
    let failures = 0;
    while (!signal.aborted) {
      const state = await this.#host.engine.containers.inspect(container);
      const address = state && this.#host.address(state, spec.port);
      const problem = state?.running === true ? await this.#healthProblem(container, spec, address) : 'it does not run';
      if (signal.aborted) return;
      if (problem === undefined) {
        failures = 0;
        if (!wasHealthy) this.#healthySinceMs = performance.now();
        wasHealthy = true;
        this.#lastHealthy = { id: container, spec };
        this.#move('healthy', spec === this.#spec ? undefined : this.#reason);
        this.#reach(address);
      } else if (wasHealthy) {
        failures += 1;
        if (failures >= RESTART_AFTER)
          throw new ServiceFailure(`it was healthy and is not any more: ${problem}; it is restarted`);
        if (failures >= UNHEALTHY_AFTER) {
          this.#reach(undefined);
          this.#move('unhealthy', `its health check fails: ${problem}`);
        }
      } else if (performance.now() - startedAtMs > startMs) {
        const last = lastLine(await this.#host.engine.containers.logs(container, 5));
        throw new ServiceFailure(
          `not healthy after ${inWords(startMs)}: ${problem}${last === '' ? '' : `; its last line: ${last}`}`,
        );
      } else this.#move('starting', problem);
      const soon = !wasHealthy || failures > 0;
      await wait(soon ? Math.min(everyMs, STARTING_CHECK_MS * (failures > 0 ? 4 : 1)) : everyMs, signal);
    }
  }

  /** Undefined when healthy. A check that the engine refuses counts as failed: the container may have just exited. */
  async #healthProblem(
    container: string,
    spec: ContainerSpec,
    address: Address | undefined,
  ): Promise<string | undefined> {
    try {
      return await checkHealth(this.#host.engine, container, spec, address);
    } catch (error) {
      if (error instanceof EngineError && !error.gone) return plainLine(error.message);
      throw error;
    }
  }

  async #exited(container: string, spec: ContainerSpec, failures: number): Promise<ServiceFailure> {
    const { engine } = this.#host;
    const [state, log] = await Promise.all([
      engine.containers.inspect(container),
      engine.containers.logs(container, 20),
    ]);
    if (state === undefined) return new ServiceFailure('its container was removed by another program');
    const reset = this.#healthySinceMs > 0 && performance.now() - this.#healthySinceMs > RESET_MS;
    return new ServiceFailure(
      exitReason({
        exitCode: state.exitCode,
        oomKilled: state.oomKilled,
        times: reset ? 1 : failures + 1,
        memoryMiB: spec.resources.memoryMiB,
        lastLine: lastLine(log),
      }),
    );
  }

  #ownContainers(): Promise<ContainerSummary[]> {
    return this.#host.engine.containers.list(ofService(this.#host.owner, this.#workload));
  }

  async #removeAll(containers: readonly ContainerSummary[]): Promise<void> {
    await Promise.all(
      containers.map(async ({ id, running }) => {
        if (running) await this.#host.engine.containers.stop(id, STOP_GRACE_SECONDS);
        await this.#host.engine.containers.remove(id);
        if (this.#container === id) this.#container = undefined;
        if (this.#lastHealthy?.id === id) this.#lastHealthy = undefined;
      }),
    );
  }

  #unhealthy(reason: string, pause: number): void {
    this.#reach(undefined);
    this.#pull = undefined;
    this.#move('unhealthy', `${reason}; next try in ${inWords(pause)}`);
  }

  #reach(address: Address | undefined): void {
    const text = address === undefined ? '' : `${address.host}:${address.port}`;
    if (text === this.#reachable) return;
    this.#reachable = text;
    this.#events.reachable(address);
  }

  #move(state: ServiceState, reason?: string): void {
    if (state === this.#state && reason === this.#reason && this.#pull === undefined) return;
    this.#state = state;
    this.#reason = reason;
    this.#events.changed();
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof ServiceFailure || error instanceof PullError) return error.message;
  if (error instanceof EngineError) return startReason(error.message);
  return plainLine(errorMessage(error));
}
