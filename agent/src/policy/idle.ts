/**
 * How long nobody has used this machine, by the best signal that the system has. A reading names its signal, because
 * signals differ in meaning: input devices show people, CPU load shows programs only.
 */
import { execFile } from 'node:child_process';
import { type ProcessLoad, readProcessLoad } from './process-load.js';

export type IdleSignal = 'xprintidle' | 'logind' | 'load' | 'ioreg' | 'GetLastInputInfo';

export const SIGNALS: Readonly<Record<IdleSignal, string>> = {
  xprintidle: 'keyboard and mouse, by xprintidle',
  logind: "the sessions' idle hint, by systemd-logind",
  load: 'the CPU load of other programs (this system reports neither input devices nor sessions)',
  ioreg: 'keyboard and mouse, by IOHIDSystem',
  GetLastInputInfo: 'keyboard and mouse, by GetLastInputInfo',
};

export interface IdleReading {
  readonly signal: IdleSignal;
  readonly idleMs: number;
}

/** A program's standard output; `undefined` where the program is missing or failed. */
export type RunProgram = (command: string, args: readonly string[]) => Promise<string | undefined>;

export interface IdleSources {
  readonly platform: string;
  readonly run: RunProgram;
  readonly env: NodeJS.ProcessEnv;
  /** Unix ms. */
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
  readonly load: () => ProcessLoad | undefined;
}

/** Share of all cores above which the load of other programs counts as use of the machine. */
const BUSY_SHARE = 0.15;
const RUN_MS = 5_000;

/** A reader that keeps the previous load to compare with. It answers `undefined` where there is no signal; never rejects. */
export function createIdleReader(overrides: Partial<IdleSources> = {}): () => Promise<IdleReading | undefined> {
  const sources: IdleSources = {
    platform: process.platform,
    run: runProgram,
    env: process.env,
    wallMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    load: () => readProcessLoad(process.pid),
    ...overrides,
  };
  const load = new LoadMonitor(sources);
  return async () => {
    if (sources.platform === 'darwin') {
      const idleMs = parseIoreg((await sources.run('ioreg', ['-c', 'IOHIDSystem', '-d', '4'])) ?? '');
      return idleMs === undefined ? undefined : { signal: 'ioreg', idleMs };
    }
    if (sources.platform === 'win32') {
      const args = ['-NoProfile', '-NonInteractive', '-Command', LAST_INPUT_SCRIPT];
      const idleMs = parseLastInput((await sources.run('powershell.exe', args)) ?? '');
      return idleMs === undefined ? undefined : { signal: 'GetLastInputInfo', idleMs };
    }
    return (await linuxInput(sources)) ?? load.read();
  };
}

async function linuxInput({ run, env, wallMs }: IdleSources): Promise<IdleReading | undefined> {
  if (env.DISPLAY !== undefined) {
    const idleMs = parseXprintidle((await run('xprintidle', [])) ?? '');
    if (idleMs !== undefined) return { signal: 'xprintidle', idleMs };
  }
  const sessions = await run('loginctl', ['list-sessions', '--no-legend']);
  // Without a session there is no idle hint that means anything.
  if (sessions === undefined || sessions.trim() === '') return undefined;
  const hint = await run('loginctl', ['show-session', '--property=IdleHint', '--property=IdleSinceHint']);
  const idleMs = parseLogind(hint ?? '', wallMs());
  return idleMs === undefined ? undefined : { signal: 'logind', idleMs };
}

/** Milliseconds, alone on a line. */
export function parseXprintidle(output: string): number | undefined {
  const text = output.trim();
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** `IdleHint=yes|no` and since when, in µs of Unix time; see org.freedesktop.login1(5). */
export function parseLogind(output: string, wallMs: number): number | undefined {
  const hint = /^IdleHint=(yes|no)$/m.exec(output)?.[1];
  if (hint === undefined) return undefined;
  if (hint === 'no') return 0;
  const since = Number(/^IdleSinceHint=(\d+)$/m.exec(output)?.[1] ?? 0);
  return since === 0 ? 0 : Math.max(0, wallMs - since / 1_000);
}

/** `"HIDIdleTime" = N`, in ns. */
export function parseIoreg(output: string): number | undefined {
  const found = /"HIDIdleTime"\s*=\s*(\d{1,20})/.exec(output)?.[1];
  return found === undefined ? undefined : Number(found) / 1e6;
}

/** Milliseconds, as LAST_INPUT_SCRIPT prints them. */
export function parseLastInput(output: string): number | undefined {
  return parseXprintidle(output);
}

/** GetLastInputInfo counts ms since the start modulo 2^32 (49 days); the unsigned difference of two counts stays right. */
const LAST_INPUT_SCRIPT = `
Add-Type -TypeDefinition @'
using System;
using System.Runtime.InteropServices;
public static class RmaIdle {
  [StructLayout(LayoutKind.Sequential)] struct Info { public uint size; public uint time; }
  [DllImport("user32.dll")] static extern bool GetLastInputInfo(ref Info info);
  public static uint Ms() {
    var info = new Info(); info.size = (uint)Marshal.SizeOf(info);
    if (!GetLastInputInfo(ref info)) throw new Exception("GetLastInputInfo failed");
    return unchecked((uint)Environment.TickCount - info.time);
  }
}
'@
[RmaIdle]::Ms()
`;

class LoadMonitor {
  readonly #sources: IdleSources;
  #last: ProcessLoad | undefined;
  #busyAtMs: number;

  constructor(sources: IdleSources) {
    this.#sources = sources;
    this.#busyAtMs = sources.monotonicMs();
  }

  read(): IdleReading | undefined {
    const now = this.#sources.load();
    if (now === undefined) return undefined;
    const at = this.#sources.monotonicMs();
    if (this.#last !== undefined && now.atMs > this.#last.atMs) {
      const share = (now.othersMs - this.#last.othersMs) / ((now.atMs - this.#last.atMs) * now.cores);
      if (share > BUSY_SHARE) this.#busyAtMs = at;
    }
    this.#last = now;
    return { signal: 'load', idleMs: Math.max(0, at - this.#busyAtMs) };
  }
}

function runProgram(command: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(command, [...args], { timeout: RUN_MS, windowsHide: true, maxBuffer: 8 * 1_048_576 }, (error, stdout) =>
      resolve(error === null ? stdout : undefined),
    );
  });
}
