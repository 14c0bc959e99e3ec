/** Which tests run together, and that the closing line tells the truth. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  addCounts,
  closingLine,
  countReport,
  isGreen,
  ON_REQUEST,
  partition,
  SECOND_NODE,
  slowestFiles,
  splitArgs,
} from '../../scripts/test-groups.mjs';
import { ROOT } from '../support/program.js';

const files = [
  'tests/core/step.test.ts',
  'tests/e2e/letter.test.ts',
  'tests/chaos/kill.test.ts',
  'tests/agent/gpu.test.ts',
  'tests/images/build.test.ts',
];

describe('the groups', () => {
  it('hold the fast files together, and the heavy folders by themselves', () => {
    expect(partition(files, [], false).map(({ files, atOnce }) => ({ files, atOnce }))).toEqual([
      { files: ['tests/core/step.test.ts', 'tests/agent/gpu.test.ts'], atOnce: 4 },
      { files: ['tests/e2e/letter.test.ts', 'tests/chaos/kill.test.ts'], atOnce: 3 },
    ]);
  });

  it('keep what the filters name, and nothing where they name nothing', () => {
    expect(partition(files, ['tests/chaos', 'gpu'], false).flatMap((group) => group.files)).toEqual([
      files[3],
      files[2],
    ]);
    expect(partition(files, ['nowhere'], true)).toEqual([]);
  });

  it('build containers only when asked to', () => {
    const names = (filters: string[], all: boolean) => partition(files, filters, all).map(({ name }) => name);
    expect(names([], false)).not.toContain('tests/images/');
    expect(names([], true)).toContain('tests/images/');
    expect(names(['tests/images'], false)).toEqual(['tests/images/']);
  });

  it('name tests that exist, for the second Node and on request', () => {
    const paths = readdirSync(join(ROOT, 'tests'), { recursive: true, encoding: 'utf8' });
    const all = paths.map((path) => `tests/${path.replaceAll('\\', '/')}`).filter((path) => path.endsWith('.test.ts'));
    const missing = [...SECOND_NODE, ...ON_REQUEST].filter((part) => !all.some((path) => path.startsWith(part)));
    expect(missing).toEqual([]);
    expect(splitArgs(['--second-node', '--bail=1'])).toEqual({
      filters: SECOND_NODE,
      options: ['--bail=1'],
      all: false,
    });
  });

  it('leave the value of an option to the option', () => {
    expect(splitArgs(['./tests/core', '-t', 'requeues', '--bail=1', '--all'])).toEqual({
      filters: ['tests/core'],
      options: ['-t', 'requeues', '--bail=1'],
      all: true,
    });
  });
});

describe('the count', () => {
  const file = (status: string, ...tests: string[]) => ({
    status,
    assertionResults: tests.map((status) => ({ status })),
  });

  it('adds up tests', () => {
    const report = {
      numPassedTests: 2,
      numFailedTests: 1,
      numPendingTests: 1,
      numTodoTests: 1,
      testResults: [file('failed', 'failed')],
    };
    expect(countReport(report, 1)).toEqual({ passed: 2, failed: 1, skipped: 2 });
    expect(addCounts({ passed: 1, failed: 2, skipped: 3 }, { passed: 4, failed: 5, skipped: 6 })).toEqual({
      passed: 5,
      failed: 7,
      skipped: 9,
    });
  });

  it('takes a file that could not be loaded as a failure', () => {
    const report = { numPassedTests: 1, numFailedTests: 0, testResults: [file('passed', 'passed'), file('failed')] };
    expect(countReport(report, 1)).toMatchObject({ passed: 1, failed: 1 });
  });

  it('takes a run that crashed as a failure, with a report or without', () => {
    expect(countReport({ numPassedTests: 3, numFailedTests: 0, testResults: [] }, 1)).toMatchObject({
      passed: 3,
      failed: 1,
    });
    expect(countReport(undefined, 0)).toMatchObject({ passed: 0, failed: 1 });
  });

  it('is green only where something passed and nothing failed', () => {
    expect(isGreen({ passed: 1, failed: 0, skipped: 0 })).toBe(true);
    expect(isGreen({ passed: 0, failed: 0, skipped: 4 })).toBe(false);
    expect(isGreen({ passed: 9, failed: 1, skipped: 0 })).toBe(false);
  });

  it('is preceded by the files that took longest', () => {
    const file = (name: string, endTime: number) => ({ name: `/home/x/tests/${name}`, startTime: 0, endTime });
    const reports = [{ testResults: [file('a.test.ts', 500), file('b.test.ts', 12_340)] }, undefined];
    expect(slowestFiles(reports)).toEqual(['  12.3 s  tests/b.test.ts', '   0.5 s  tests/a.test.ts']);
  });

  it('reads as one line', () => {
    expect(closingLine({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed');
    expect(closingLine({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
  });
});
