/**
 * One assigned container over its life: pull, start, watch, start again with growing pauses, replace, stop. A single loop
 * that looks at what the engine has and makes it what was asked for, so that a restart of the agent, a death of the
 * container and an absence of the engine all end in the same place.
 */
import type { ContainerSpec } from '@rma/protocol/workload';
import type { LogLine, ServiceState } from '@rma/workloads/runtime';
import type { ContainerHost } from './container-host.js';
import type { ContainerSummary } from './engine/engine-containers.js';
import { EngineError } from './engine/engine-error.js';
import { type Address, checkHealth } from './health.js';
import { imageRef } from './image-ref.js';
import { PullError } from './images.js';
import { containerName, ofService, specHash, volumeName } from './labels.js';
import { lastLine, linesOf } from './log-lines.js';
import { inWords, pauseMs, wait } from './pause.js';
import { serviceOptions } from './profile.js';
import type { PullBytes } from './pull-progress.js';
import { exitReason, plainLine, startReason } from './reasons.js';

const STOP_GRACE_SECONDS = 10;
const START_SECONDS = 120;
const STARTING_CHECK_MS = 500;
const CHECK_SECONDS = 10;
/** Failed checks in a row of a service that was healthy: first it gets no more tasks, then it is started again. */
const UNHEALTHY_AFTER = 2;
const RESTART_AFTER = 6;
/** Healthy for so long, its earlier troubles are forgotten. */
const FORGIVEN_MS = 120_000;
const ENGINE_PAUSE_MS = 30_000;

/** Something is wrong with this service; the message is its reason. */
class Trouble extends Error {}

export interface ContainerServiceEvents {
  changed(): void;
  /** Where its port is reached while it is healthy; undefined while it is not. */
  reachable(address: Address | undefined): void;
}

export class ContainerService {
  readonly #host: ContainerHost;
  readonly #workload: string;
  readonly #events: ContainerServiceEvents;
  readonly #stopping = new AbortController();
  #turn = new AbortController();
  #spec: ContainerSpec;
  #life: Promise<void> | undefined;
  #state: ServiceState = 'pending';
  #reason: string | undefined;
  #pull: PullBytes | undefined;
  #reachable = '';
  #container: string | undefined;
  /** What runs and once was healthy: it goes on while its successor cannot be pulled. */
  #proven: { readonly id: string; readonly spec: ContainerSpec } | undefined;
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
    this.#host.keepers.set(this.#workload, this);
    this.#life ??= this.#live();
  }

  /** Replaces the container, once the new image is here; the same spec changes nothing. */
  update(spec: ContainerSpec): void {
    if (specHash(spec) === specHash(this.#spec)) return;
    this.#spec = spec;
    this.#turn.abort();
  }

  /** Stops and removes the container; its volumes stay. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#turn.abort();
    await this.#life;
    this.#move('stopped');
    if (this.#host.keepers.get(this.#workload) !== this) return;
    this.#host.keepers.delete(this.#workload);
    try {
      await this.#removeAll(await this.#mine());
    } catch (error) {
      this.#host.log.warn(
        { service: this.#workload },
        `the container of ${this.#workload} could not be removed (${textOf(error)}): that is done at the next start`,
      );
    }
  }

  /** The last lines that it wrote, after `since` where given. */
  async logs(lines: number, since: string | undefined): Promise<LogLine[]> {
    const container = this.#container ?? (await this.#mine())[0]?.id;
    if (container === undefined) return [];
    const seconds = since === undefined ? 0 : Math.floor(Date.parse(since) / 1_000) || 0;
    const all = linesOf(await this.#host.engine.containers.logs(container, lines, seconds));
    return since === undefined ? all : all.filter(({ at }) => at > since);
  }

  async #live(): Promise<void> {
    let troubles = 0;
    let engineTries = 0;
    while (!this.#stopping.signal.aborted) {
      this.#turn = new AbortController();
      const { signal } = this.#turn;
      try {
        const spec = this.#spec;
        const container = await this.#ensure(spec, signal);
        engineTries = 0;
        await this.#watch(container, spec, troubles, signal);
      } catch (error) {
        if (signal.aborted) continue;
        if (error instanceof EngineError && error.gone) {
          engineTries += 1;
          const pause = pauseMs(engineTries, ENGINE_PAUSE_MS);
          this.#unwell(`the container engine does not answer (${plainLine(error.message, 160)})`, pause);
          await wait(pause, signal);
          continue;
        }
        if (this.#healthySinceMs > 0 && performance.now() - this.#healthySinceMs > FORGIVEN_MS) troubles = 0;
        this.#healthySinceMs = 0;
        troubles += 1;
        const pause = pauseMs(troubles);
        if (error instanceof PullError && (await this.#goOn(error, pause, signal))) continue;
        this.#unwell(reasonOf(error), pause);
        await wait(pause, signal);
      }
    }
  }

  /** The new image cannot be had: the container before it serves on until the next try. */
  async #goOn(error: PullError, pause: number, signal: AbortSignal): Promise<boolean> {
    const proven = this.#proven;
    if (proven === undefined) return false;
    const retry = AbortSignal.any([signal, AbortSignal.timeout(pause)]);
    this.#move('healthy', `runs its earlier image: ${error.message}; next try in ${inWords(pause)}`);
    try {
      await this.#watch(proven.id, proven.spec, 0, retry);
      return true;
    } catch (ended) {
      this.#host.log.debug({ error: textOf(ended) }, `${this.#workload} ended before its successor was there`);
      this.#proven = undefined;
      return false;
    }
  }

  /** The container of this spec, running: the one that runs already, or a new one. */
  async #ensure(spec: ContainerSpec, signal: AbortSignal): Promise<string> {
    const { cores, engine, images, secrets, owner } = this.#host;
    const hash = specHash(spec);
    const before = await this.#mine();
    const same = before.find(({ running, labels }) => running && labels['rma.spec'] === hash);
    if (same !== undefined) {
      await this.#removeAll(before.filter(({ id }) => id !== same.id));
      return same.id;
    }
    const image = imageRef(spec.image, spec.digest);
    const serving = this.#state === 'healthy' && before.some(({ running }) => running);
    const told = (bytes: PullBytes): void => {
      this.#pull = bytes;
      if (serving) this.#events.changed();
      else this.#move('pulling');
    };
    try {
      await images.have(image, told, signal);
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
      throw new Trouble(startReason(textOf(error)));
    }
    return container;
  }

  /** Returns when it is not wanted any more; throws when it ended or does not work. */
  async #watch(container: string, spec: ContainerSpec, troubles: number, signal: AbortSignal): Promise<void> {
    const { engine } = this.#host;
    this.#container = container;
    const over = new AbortController();
    const watched = AbortSignal.any([signal, over.signal]);
    const exit = engine.containers.wait(container, watched);
    try {
      await Promise.race([exit, this.#check(container, spec, watched)]);
      if (signal.aborted) return;
      throw await this.#exited(container, spec, troubles);
    } finally {
      over.abort();
      exit.catch(() => undefined);
      if (!signal.aborted) {
        this.#reach(undefined);
        this.#proven = undefined;
      }
    }
  }

  /** Checks again and again; throws when it is given up. */
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
      const wrong = state?.running === true ? await this.#wrong(container, spec, address) : 'it does not run';
      if (signal.aborted) return;
      if (wrong === undefined) {
        failures = 0;
        if (!wasHealthy) this.#healthySinceMs = performance.now();
        wasHealthy = true;
        this.#proven = { id: container, spec };
        this.#move('healthy', spec === this.#spec ? undefined : this.#reason);
        this.#reach(address);
      } else if (wasHealthy) {
        failures += 1;
        if (failures >= RESTART_AFTER)
          throw new Trouble(`it was healthy and is no more: ${wrong}; it is started again`);
        if (failures >= UNHEALTHY_AFTER) {
          this.#reach(undefined);
          this.#move('unhealthy', `its health check fails: ${wrong}`);
        }
      } else if (performance.now() - startedAtMs > startMs) {
        const last = lastLine(await this.#host.engine.containers.logs(container, 5));
        throw new Trouble(
          `not healthy after ${inWords(startMs)}: ${wrong}${last === '' ? '' : `; its last line: ${last}`}`,
        );
      } else this.#move('starting', wrong);
      const soon = !wasHealthy || failures > 0;
      await wait(soon ? Math.min(everyMs, STARTING_CHECK_MS * (failures > 0 ? 4 : 1)) : everyMs, signal);
    }
  }

  /** What is wrong with it; an engine that refuses the check is, because the container may have just ended. */
  async #wrong(container: string, spec: ContainerSpec, address: Address | undefined): Promise<string | undefined> {
    try {
      return await checkHealth(this.#host.engine, container, spec, address);
    } catch (error) {
      if (error instanceof EngineError && !error.gone) return plainLine(error.message);
      throw error;
    }
  }

  async #exited(container: string, spec: ContainerSpec, troubles: number): Promise<Trouble> {
    const { engine } = this.#host;
    const [state, log] = await Promise.all([
      engine.containers.inspect(container),
      engine.containers.logs(container, 20),
    ]);
    if (state === undefined) return new Trouble('its container was removed by somebody else');
    const forgiven = this.#healthySinceMs > 0 && performance.now() - this.#healthySinceMs > FORGIVEN_MS;
    return new Trouble(
      exitReason({
        exitCode: state.exitCode,
        oomKilled: state.oomKilled,
        times: forgiven ? 1 : troubles + 1,
        memoryMiB: spec.resources.memoryMiB,
        lastLine: lastLine(log),
      }),
    );
  }

  #mine(): Promise<ContainerSummary[]> {
    return this.#host.engine.containers.list(ofService(this.#host.owner, this.#workload));
  }

  async #removeAll(containers: readonly ContainerSummary[]): Promise<void> {
    await Promise.all(
      containers.map(async ({ id, running }) => {
        if (running) await this.#host.engine.containers.stop(id, STOP_GRACE_SECONDS);
        await this.#host.engine.containers.remove(id);
        if (this.#container === id) this.#container = undefined;
        if (this.#proven?.id === id) this.#proven = undefined;
      }),
    );
  }

  #unwell(reason: string, pause: number): void {
    this.#reach(undefined);
    this.#pull = undefined;
    this.#move('unhealthy', `${reason}; next try in ${inWords(pause)}`);
  }

  #reach(address: Address | undefined): void {
    const told = address === undefined ? '' : `${address.host}:${address.port}`;
    if (told === this.#reachable) return;
    this.#reachable = told;
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
  if (error instanceof Trouble || error instanceof PullError) return error.message;
  if (error instanceof EngineError) return startReason(error.message);
  return plainLine(textOf(error));
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
