/** Reads the composed outputs in fixtures/, without their first line, and plays them as nvidia-smi's answers. */
import { readFileSync } from 'node:fs';
import type { RunSmi, SmiAnswer } from '@rma/agent/probe/nvidia-smi';

export function fixture(name: string): string {
  const text = readFileSync(new URL(`fixtures/${name}.txt`, import.meta.url), 'utf8');
  return text.slice(text.indexOf('\n') + 1);
}

export const printed = (name: string, exitCode = 0): SmiAnswer => ({ kind: 'done', exitCode, output: fixture(name) });

/** A read-file port over these files, by path. */
export const filesOf = (files: Readonly<Record<string, string>>) => (path: string) => files[path];

/** An nvidia-smi that answers each of its uses so; what is not given prints nothing. */
export function smiOf(answers: {
  gpus?: SmiAnswer[];
  version?: SmiAnswer;
  list?: SmiAnswer;
  load?: SmiAnswer;
}): RunSmi {
  const silent: SmiAnswer = { kind: 'done', exitCode: 0, output: '' };
  const gpus = [...(answers.gpus ?? [])];
  return async (args) => {
    const first = args[0] ?? '';
    if (first === '--version') return answers.version ?? silent;
    if (first === '-L') return answers.list ?? silent;
    if (first.includes('utilization.gpu')) return answers.load ?? silent;
    return gpus.shift() ?? silent;
  };
}
