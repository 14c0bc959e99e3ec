/**
 * What systems print of idle time. All outputs are composed, none was recorded: from org.freedesktop.login1(5),
 * xprintidle(1), the IOHIDSystem entry of `ioreg` on macOS, and what our own script prints on Windows.
 */
import {
  createIdleReader,
  type IdleSources,
  parseIoreg,
  parseLastInput,
  parseLogind,
  parseXprintidle,
} from '@rma/agent/policy/idle';
import { readProcessLoad } from '@rma/agent/policy/process-load';
import { describe, expect, it } from 'vitest';

const IOREG = `
    | |   {
    | |     "IOClass" = "IOHIDSystem"
    | |     "HIDIdleTime" = 4217093833
    | |     "HIDParameters" = {"HIDMouseAcceleration"=98304}
    | |   }
`;

describe('idle time', () => {
  it('is read from what each system prints', () => {
    expect(parseIoreg(IOREG)).toBeCloseTo(4_217.09, 1);
    expect(parseXprintidle('61234\n')).toBe(61_234);
    expect(parseLastInput('937\r\n')).toBe(937);
    expect(parseLogind('IdleHint=no\nIdleSinceHint=0\n', 5_000)).toBe(0);
    expect(parseLogind('IdleHint=yes\nIdleSinceHint=2000000\n', 5_000)).toBe(3_000);
  });

  it('is not known from anything else', () => {
    expect(parseIoreg('')).toBeUndefined();
    expect(parseXprintidle("couldn't open display")).toBeUndefined();
    expect(parseLogind('System has not been booted with systemd', 0)).toBeUndefined();
  });

  const linux = (answers: Record<string, string>, more: Partial<IdleSources> = {}) =>
    createIdleReader({
      platform: 'linux',
      env: {},
      wallMs: () => 10_000,
      run: (command, args) => Promise.resolve(answers[`${command} ${args[0] ?? ''}`.trim()]),
      load: () => undefined,
      ...more,
    });

  it('comes from xprintidle where there is a display, else from logind where there are sessions', async () => {
    const answers = {
      xprintidle: '5000',
      'loginctl list-sessions': '  3 1000 me seat0 tty2\n',
      'loginctl show-session': 'IdleHint=yes\nIdleSinceHint=4000000\n',
    };
    expect(await linux(answers, { env: { DISPLAY: ':0' } })()).toEqual({ signal: 'xprintidle', idleMs: 5_000 });
    expect(await linux(answers)()).toEqual({ signal: 'logind', idleMs: 6_000 });
  });

  it('comes from the load of other programs where nobody is logged in', async () => {
    let now = 0;
    let othersMs = 0;
    const read = linux(
      { 'loginctl list-sessions': '' },
      { monotonicMs: () => now, load: () => ({ atMs: now, othersMs, cores: 2 }) },
    );
    expect(await read()).toEqual({ signal: 'load', idleMs: 0 });
    now = 10_000;
    othersMs = 2_000; // a tenth of two cores
    expect(await read()).toEqual({ signal: 'load', idleMs: 10_000 });
    now = 20_000;
    othersMs = 8_000;
    expect(await read()).toEqual({ signal: 'load', idleMs: 0 });
  });

  it('is unknown where the system has no signal', async () => {
    expect(await linux({})()).toBeUndefined();
    expect(await createIdleReader({ platform: 'darwin', run: () => Promise.resolve(undefined) })()).toBeUndefined();
  });
});

it("the load of others leaves out the agent's own processes and those in containers", () => {
  const stat = (pid: number, parent: number, user: number, system: number) =>
    `${pid} (a (b) c) S ${parent} 1 1 0 -1 4194560 1 0 0 0 ${user} ${system} 0 0 20 0 1 0 5 1 1`;
  const files: Record<string, string> = {
    '/proc/10/stat': stat(10, 1, 5, 5),
    '/proc/11/stat': stat(11, 10, 100, 0),
    '/proc/12/stat': stat(12, 11, 100, 0),
    '/proc/20/stat': stat(20, 1, 30, 10),
    '/proc/30/stat': stat(30, 1, 500, 0),
    '/proc/30/cgroup': '0::/system.slice/docker-0a1b.scope\n',
  };
  const load = readProcessLoad(
    10,
    (path) => files[path],
    () => ['10', '11', '12', '20', '30', '99', 'self', 'meminfo'],
  );
  expect(load?.othersMs).toBe(400);
});
