/**
 * How long nobody has used this machine, by the best signal that the system has. Each answer names its signal, because
 * they don't mean the same: input devices tell of people, load tells of their programs only.
 */
import { execFile } from 'node:child_process';
import { type ProcessLoad, readProcessLoad } from './process-load.js';

export type IdleSignal = 'xprintidle' | 'logind' | 'load' | 'ioreg' | 'GetLastInputInfo';

export const SIGNALS: Readonly<Record<IdleSignal, string>> = {
  xprintidle: 'keyboard and mouse, told by xprintidle',
  logind: "the sessions' idle hint, told by systemd-logind",
  load: 'CPU load of other programs (this machine tells of no keyboard or session)',
  ioreg: 'keyboard and mouse, told by IOHIDSystem',
  GetLastInputInfo: 'keyboard and mouse, told by Windows',
};

export interface IdleReading {
  readonly signal: IdleSignal;
  readonly idleMs: number;
}

/** What a program printed; `undefined` where it is not there or failed. */
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

/** Other programs that use more of all cores than this count as somebody at work. */
const BUSY_SHARE = 0.15;
const RUN_MS = 5_000;

/** A reader with its own memory of the load. `undefined`: this system tells nothing. Never rejects. */
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
  const load = new LoadWatch(sources);
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
  // Without a session logind knows nobody who could be idle.
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

/** GetLastInputInfo counts ms since the start in 32 bits, which wrap after 49 days: so does the difference. */
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

class LoadWatch {
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
