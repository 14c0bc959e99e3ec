/**
 * The donor's will as it is now: watches `worker.yaml`, the pause, the clock, the owner's presence and the GPUs, and tells
 * whenever what follows of them is another. A mistake in the file keeps the terms before it.
 */
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { errorMessage } from '@rma/protocol/error';
import type { LoadSample } from '@rma/protocol/hardware';
import { AgentFault } from '../fault.js';
import type { AgentLog } from '../log.js';
import { sampleLoad } from '../probe/load.js';
import { createIdleReader, type IdleReading, SIGNALS } from './idle.js';
import { type Facts, judge, type Lending, nextLook, type Pause } from './lending.js';
import { readPause, writePause } from './pause-file.js';
import { termsOf } from './terms.js';
import { complaintLines, defaultPolicy, type Policy, parseWorkerFile } from './worker-file.js';

/** How often the file is looked at. */
const FILE_MS = 1_000;
/** How often the owner and the GPUs are looked at; on Windows each look starts a program that takes a while. */
const LOOK_MS = process.platform === 'win32' ? 10_000 : 3_000;
/** The clock may be set, or stand still while the machine sleeps: it is looked at from time to time. */
const CLOCK_MS = 30_000;

/** Where facts come from; the defaults are the real machine. */
export interface DonorSources {
  readonly wallMs: () => number;
  readonly idle: () => Promise<IdleReading | undefined>;
  readonly load: () => Promise<LoadSample>;
  readonly lookMs: number;
}

export interface DonorOptions {
  readonly stateDir: string;
  /** Watched; none: the default terms. */
  readonly configFile?: string | undefined;
  readonly log: AgentLog;
  /** The lending or the policy is another now. */
  changed(): void;
  readonly sources?: Partial<DonorSources> | undefined;
}

export class Donor {
  readonly #options: DonorOptions;
  readonly #sources: DonorSources;
  #policy: Policy = defaultPolicy();
  #lending: Lending | undefined;
  #pause: Pause | undefined;
  #idle: IdleReading | undefined;
  #gpuTemperatureC: number | undefined;
  #fileProblem: readonly string[] = [];
  #signalTold: string | undefined;
  #lookTimer: NodeJS.Timeout | undefined;
  #clockTimer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @throws AgentFault when the file cannot be read, or is wrong */
  constructor(options: DonorOptions) {
    this.#options = options;
    this.#sources = {
      wallMs: () => Date.now(),
      idle: createIdleReader(),
      load: sampleLoad,
      lookMs: LOOK_MS,
      ...options.sources,
    };
    this.#pause = readPause(options.stateDir);
    this.#readFile();
    this.#lending = this.#judge();
  }

  get policy(): Policy {
    return this.#policy;
  }

  get lending(): Lending {
    return this.#lending ?? this.#judge();
  }

  get idle(): IdleReading | undefined {
    return this.#idle;
  }

  /** What is wrong in the file now, a line each; the terms before it hold. */
  get fileProblem(): readonly string[] {
    return this.#fileProblem;
  }

  get gpuTemperatureC(): number | undefined {
    return this.#gpuTemperatureC;
  }

  start(): void {
    const { configFile } = this.#options;
    if (configFile !== undefined) watchFile(configFile, { interval: FILE_MS }, this.#fileChanged);
    void this.#look();
    this.#reconsider();
  }

  stop(): void {
    this.#stopped = true;
    const { configFile } = this.#options;
    if (configFile !== undefined) unwatchFile(configFile, this.#fileChanged);
    clearTimeout(this.#lookTimer);
    clearTimeout(this.#clockTimer);
  }

  /** Kept on disk: a pause outlives the agent. @param pause `undefined`: resume */
  setPause(pause: Pause | undefined): void {
    writePause(this.#options.stateDir, pause);
    this.#pause = pause;
    this.#reconsider();
  }

  readonly #fileChanged = (): void => {
    if (this.#stopped) return;
    this.#readFile();
    void this.#look();
    this.#reconsider(true);
  };

  #readFile(): void {
    const { configFile, log } = this.#options;
    if (configFile === undefined) return;
    const first = this.#lending === undefined;
    let text: string;
    try {
      text = readFileSync(configFile, 'utf8');
    } catch (error) {
      this.#complain([`${configFile} cannot be read: ${errorMessage(error)}`]);
      return;
    }
    const parsed = parseWorkerFile(text);
    if (!parsed.ok) {
      this.#complain(complaintLines(configFile, parsed.complaints));
      return;
    }
    this.#fileProblem = [];
    this.#policy = parsed.file.policy;
    if (!first) log.info({ file: configFile }, `${configFile} changed: its terms hold from now on`);
  }

  #complain(problem: readonly string[]): void {
    this.#fileProblem = problem;
    // With what else should a first start go on? Not with "always".
    if (this.#lending === undefined) throw new AgentFault(problem.join('\n'));
    const rest = 'the terms before it go on to hold';
    for (const line of problem) this.#options.log.error({ file: this.#options.configFile }, `${line}; ${rest}`);
  }

  /** Asks the machine for what its terms need to know. */
  async #look(): Promise<void> {
    clearTimeout(this.#lookTimer);
    const { idleMinutes, caps } = this.#policy;
    const [idle, load] = await Promise.all([
      idleMinutes === undefined ? undefined : this.#sources.idle().catch(() => undefined),
      caps.gpuTemperatureC === undefined ? undefined : this.#sources.load().catch(() => undefined),
    ]);
    if (this.#stopped) return;
    this.#idle = idle;
    const temperatures = (load?.gpus ?? []).flatMap(({ temperatureC }) => temperatureC ?? []);
    this.#gpuTemperatureC = temperatures.length === 0 ? undefined : Math.max(...temperatures);
    if (idleMinutes !== undefined) this.#tellSignal(idle);
    this.#reconsider();
    clearTimeout(this.#lookTimer);
    const { idleMinutes: minutes, caps: now } = this.#policy;
    if (minutes === undefined && now.gpuTemperatureC === undefined) return;
    this.#lookTimer = setTimeout(() => void this.#look(), this.#sources.lookMs);
  }

  #tellSignal(idle: IdleReading | undefined): void {
    const signal = idle?.signal ?? 'none';
    if (signal === this.#signalTold) return;
    this.#signalTold = signal;
    const { log } = this.#options;
    if (idle === undefined)
      log.warn(
        {},
        'onlyWhenIdle: this system does not tell whether somebody uses it, so it is never lent. Take onlyWhenIdle out of worker.yaml, or use a schedule.',
      );
    else log.info({ signal }, `onlyWhenIdle goes by ${SIGNALS[idle.signal]}`);
  }

  #judge(): Lending {
    return judge(termsOf(this.#policy), this.#facts(), this.#lending);
  }

  #facts(): Facts {
    return {
      nowMs: this.#sources.wallMs(),
      pause: this.#pause,
      idleMs: this.#idle?.idleMs,
      gpuTemperatureC: this.#gpuTemperatureC,
    };
  }

  #reconsider(policyChanged = false): void {
    if (this.#stopped) return;
    const facts = this.#facts();
    if (this.#pause?.untilMs !== undefined && this.#pause.untilMs <= facts.nowMs) {
      this.#pause = undefined;
      writePause(this.#options.stateDir, undefined);
    }
    const before = JSON.stringify(this.#lending);
    this.#lending = this.#judge();
    clearTimeout(this.#clockTimer);
    const look = nextLook(termsOf(this.#policy), facts);
    const waitMs = look === undefined ? CLOCK_MS : Math.min(CLOCK_MS, Math.max(1, look - facts.nowMs));
    this.#clockTimer = setTimeout(() => this.#reconsider(), waitMs);
    if (policyChanged || JSON.stringify(this.#lending) !== before) this.#options.changed();
  }
}
