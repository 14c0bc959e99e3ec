import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '@rma/agent/log';
import { StateDir } from '@rma/agent/state/state-dir';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let directory: string;
const opened: StateDir[] = [];
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'rma-state-')), 'state');
});
afterEach(() => {
  for (const state of opened.splice(0)) state.release();
  rmSync(join(directory, '..'), { recursive: true, force: true });
});

function open(): StateDir {
  const state = new StateDir(directory, silentLog());
  opened.push(state);
  return state;
}

const IDENTITY = { id: 'w-abcd', credential: 'secret', url: 'http://127.0.0.1:8080', name: 'desk' };

describe('a state directory', () => {
  it('keeps the key and the identity over restarts, readable by nobody else', () => {
    const first = open();
    first.saveIdentity(IDENTITY);
    const { key } = first;
    first.release();
    const second = open();
    expect(second.key).toBe(key);
    expect(second.identity).toEqual(IDENTITY);
    for (const name of ['worker.json', 'key']) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
  });

  it('is refused to a second agent, which is told who has it', () => {
    open();
    expect(() => open()).toThrow(/in use by another agent of this process/);
  });

  it('is refused to another process, and is free as soon as its holder was killed', async () => {
    const script = `import { StateDir } from '@rma/agent/state/state-dir'; import { silentLog } from '@rma/agent/log';
      new StateDir(process.argv[1], silentLog()); process.stdout.write('locked'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    expect(() => open()).toThrow(`in use by process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(open().identity).toBeUndefined();
  });

  it('is not blocked by a lock whose process id another process has now', () => {
    open().release();
    writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: process.pid, started: 'another boot/17' }));
    expect(open().identity).toBeUndefined();
  });

  it('is not blocked by a lock that is no lock', () => {
    open().release();
    writeFileSync(join(directory, 'lock'), '');
    expect(open().identity).toBeUndefined();
  });

  it('with a damaged identity moves it aside and goes on without', () => {
    open().release();
    writeFileSync(join(directory, 'worker.json'), '{"id": "w-ab');
    expect(open().identity).toBeUndefined();
    const aside = readdirSync(directory).find((name) => name.startsWith('worker.json.damaged-'));
    expect(readFileSync(join(directory, aside ?? ''), 'utf8')).toBe('{"id": "w-ab');
  });

  it('that cannot be made is a clear error', () => {
    writeFileSync(join(directory, '..', 'file'), '');
    directory = join(directory, '..', 'file');
    expect(() => new StateDir(join(directory, 'below'), silentLog())).toThrow(
      /cannot use the state directory .*--state DIR/,
    );
    directory = join(directory, 'x');
  });
});
