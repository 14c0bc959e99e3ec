/**
 * Keeps policy and availability up to date: watches `worker.yaml`, the pause, the clock, the owner's activity and the GPUs,
 * and reports every change. A `worker.yaml` with mistakes is reported and leaves the previous policy in force.
 */
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { errorMessage } from '@rma/protocol/error';
import type { LoadSample } from '@rma/protocol/hardware';
import { AgentFault } from '../fault.js';
import type { AgentLog } from '../log.js';
import { sampleLoad } from '../probe/load.js';
import {
  type Availability,
  availabilityOf,
  type Conditions,
  nextChangeAtMs,
  type Pause,
  rulesOf,
} from './availability.js';
import { createIdleReader, type IdleReading, SIGNALS } from './idle.js';
import { readPause, writePause } from './pause-file.js';
import { complaintLines, defaultPolicy, type Policy, parseWorkerFile } from './worker-file.js';

/** How often the file's modification time is read. */
const FILE_INTERVAL_MS = 1_000;
/** How often idle time and GPUs are measured; on Windows each measurement starts a program that takes a while. */
const MEASURE_INTERVAL_MS = process.platform === 'win32' ? 10_000 : 3_000;
/** Upper bound of a timer for the wall clock, which may be set, or stand still while the machine sleeps. */
const MAX_CLOCK_WAIT_MS = 30_000;

/** Where conditions are measured; the defaults are the real machine. */
export interface PolicySources {
  readonly wallMs: () => number;
  readonly idle: () => Promise<IdleReading | undefined>;
  readonly load: () => Promise<LoadSample>;
  readonly measureIntervalMs: number;
}

export interface PolicyMonitorOptions {
  readonly stateDir: string;
  /** Watched; absent: the default policy. */
  readonly configFile?: string | undefined;
  readonly log: AgentLog;
  /** Availability or policy differ from before. */
  changed(): void;
  readonly sources?: Partial<PolicySources> | undefined;
}

export class PolicyMonitor {
  readonly #options: PolicyMonitorOptions;
  readonly #sources: PolicySources;
  #policy: Policy = defaultPolicy();
  #availability: Availability | undefined;
  #pause: Pause | undefined;
  #idle: IdleReading | undefined;
  #gpuTemperatureC: number | undefined;
  #fileProblems: readonly string[] = [];
  #loggedSignal: string | undefined;
  #measureTimer: NodeJS.Timeout | undefined;
  #clockTimer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @throws AgentFault when the file cannot be read, or is wrong */
  constructor(options: PolicyMonitorOptions) {
    this.#options = options;
    this.#sources = {
      wallMs: () => Date.now(),
      idle: createIdleReader(),
      load: sampleLoad,
      measureIntervalMs: MEASURE_INTERVAL_MS,
      ...options.sources,
    };
    this.#pause = readPause(options.stateDir);
    this.#readFile();
    this.#availability = this.#evaluate();
  }

  get policy(): Policy {
    return this.#policy;
  }

  get availability(): Availability {
    return this.#availability ?? this.#evaluate();
  }

  get idle(): IdleReading | undefined {
    return this.#idle;
  }

  /** The mistakes in the file as it is now, a line each; the previous policy is in force. */
  get fileProblems(): readonly string[] {
    return this.#fileProblems;
  }

  get gpuTemperatureC(): number | undefined {
    return this.#gpuTemperatureC;
  }

  start(): void {
    const { configFile } = this.#options;
    if (configFile !== undefined) watchFile(configFile, { interval: FILE_INTERVAL_MS }, this.#fileChanged);
    void this.#measure();
    this.#update();
  }

  stop(): void {
    this.#stopped = true;
    const { configFile } = this.#options;
    if (configFile !== undefined) unwatchFile(configFile, this.#fileChanged);
    clearTimeout(this.#measureTimer);
    clearTimeout(this.#clockTimer);
  }

  /** Kept on disk, because a pause outlives the agent. @param pause `undefined`: resume */
  setPause(pause: Pause | undefined): void {
    writePause(this.#options.stateDir, pause);
    this.#pause = pause;
    this.#update();
  }

  readonly #fileChanged = (): void => {
    if (this.#stopped) return;
    this.#readFile();
    void this.#measure();
    this.#update(true);
  };

  #readFile(): void {
    const { configFile, log } = this.#options;
    if (configFile === undefined) return;
    const first = this.#availability === undefined;
    let text: string;
    try {
      text = readFileSync(configFile, 'utf8');
    } catch (error) {
      this.#rejectFile([`${configFile} cannot be read: ${errorMessage(error)}`]);
      return;
    }
    const parsed = parseWorkerFile(text);
    if (!parsed.ok) {
      this.#rejectFile(complaintLines(configFile, parsed.complaints));
      return;
    }
    this.#fileProblems = [];
    this.#policy = parsed.file.policy;
    if (!first) log.info({ file: configFile }, `${configFile} changed: the new policy is in force`);
  }

  #rejectFile(problems: readonly string[]): void {
    this.#fileProblems = problems;
    // Before the first evaluation there is no previous policy, and the default one allows more than a donor may want.
    if (this.#availability === undefined) throw new AgentFault(problems.join('\n'));
    for (const line of problems)
      this.#options.log.error({ file: this.#options.configFile }, `${line}; the previous policy stays in force`);
  }

  /** Measures what the policy depends on, again and again as long as it depends on anything. */
  async #measure(): Promise<void> {
    clearTimeout(this.#measureTimer);
    const { idleMinutes, caps } = this.#policy;
    const [idle, load] = await Promise.all([
      idleMinutes === undefined ? undefined : this.#sources.idle().catch(() => undefined),
      caps.gpuTemperatureC === undefined ? undefined : this.#sources.load().catch(() => undefined),
    ]);
    if (this.#stopped) return;
    this.#idle = idle;
    const temperatures = (load?.gpus ?? []).flatMap(({ temperatureC }) => temperatureC ?? []);
    this.#gpuTemperatureC = temperatures.length === 0 ? undefined : Math.max(...temperatures);
    if (idleMinutes !== undefined) this.#logSignal(idle);
    this.#update();
    clearTimeout(this.#measureTimer);
    const { idleMinutes: minutes, caps: now } = this.#policy;
    if (minutes === undefined && now.gpuTemperatureC === undefined) return;
    this.#measureTimer = setTimeout(() => void this.#measure(), this.#sources.measureIntervalMs);
  }

  #logSignal(idle: IdleReading | undefined): void {
    const signal = idle?.signal ?? 'none';
    if (signal === this.#loggedSignal) return;
    this.#loggedSignal = signal;
    const { log } = this.#options;
    if (idle === undefined)
      log.warn(
        {},
        'onlyWhenIdle: this system does not report idle time, so the machine is never available. Take onlyWhenIdle out of worker.yaml, or use a schedule.',
      );
    else log.info({ signal }, `onlyWhenIdle measures ${SIGNALS[idle.signal]}`);
  }

  #evaluate(): Availability {
    return availabilityOf(rulesOf(this.#policy), this.#conditions(), this.#availability);
  }

  #conditions(): Conditions {
    return {
      nowMs: this.#sources.wallMs(),
      pause: this.#pause,
      idleMs: this.#idle?.idleMs,
      gpuTemperatureC: this.#gpuTemperatureC,
    };
  }

  #update(policyChanged = false): void {
    if (this.#stopped) return;
    const conditions = this.#conditions();
    if (this.#pause?.untilMs !== undefined && this.#pause.untilMs <= conditions.nowMs) {
      this.#pause = undefined;
      writePause(this.#options.stateDir, undefined);
    }
    const before = JSON.stringify(this.#availability);
    this.#availability = this.#evaluate();
    clearTimeout(this.#clockTimer);
    const nextMs = nextChangeAtMs(rulesOf(this.#policy), conditions);
    const waitMs =
      nextMs === undefined ? MAX_CLOCK_WAIT_MS : Math.min(MAX_CLOCK_WAIT_MS, Math.max(1, nextMs - conditions.nowMs));
    this.#clockTimer = setTimeout(() => this.#update(), waitMs);
    if (policyChanged || JSON.stringify(this.#availability) !== before) this.#options.changed();
  }
}
