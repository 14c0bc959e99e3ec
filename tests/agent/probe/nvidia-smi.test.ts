import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { nvidiaSmi } from '@rma/agent/probe/nvidia-smi';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'rma-smi-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function program(script: string): string {
  const file = path.join(directory, 'nvidia-smi');
  writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return file;
}

// Real processes: a shell script stands where nvidia-smi would.
describe.skipIf(process.platform === 'win32')('running nvidia-smi', () => {
  it('answers what it printed and its exit status, with its arguments passed as they are', async () => {
    const file = program('echo "$1|$2"; echo trouble >&2; exit 9');
    const answer = await nvidiaSmi({ candidates: [file] })(['--query-gpu=index,name', 'a b']);
    expect(answer).toMatchObject({ kind: 'done', exitCode: 9 });
    expect(answer).toHaveProperty('output', expect.stringContaining('--query-gpu=index,name|a b\n'));
    expect(answer).toHaveProperty('output', expect.stringContaining('trouble'));
  });

  it('says absent where none of the places has it, and takes the first that does', async () => {
    const missing = path.join(directory, 'missing');
    expect(await nvidiaSmi({ candidates: [missing] })([])).toEqual({ kind: 'absent' });
    const answer = await nvidiaSmi({ candidates: [missing, program('echo here')] })([]);
    expect(answer).toEqual({ kind: 'done', exitCode: 0, output: 'here\n' });
  });

  it('tells a file that cannot be executed from an absent one', async () => {
    const file = path.join(directory, 'nvidia-smi');
    writeFileSync(file, 'no program', { mode: 0o644 });
    expect(await nvidiaSmi({ candidates: [file] })([])).toMatchObject({ kind: 'done', exitCode: -1 });
  });

  it('gives up on one that hangs, and kills it', async () => {
    const file = program(`echo $$ > ${directory}/pid; exec sleep 60`);
    const answer = await nvidiaSmi({ candidates: [file], timeoutMs: 500 })([]);
    expect(answer).toEqual({ kind: 'timeout', afterMs: 500 });
    const pid = Number(readFileSync(path.join(directory, 'pid'), 'utf8'));
    await eventually(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'));
  });
});
