/** When the setup installs, what it asks for, and that two runs never work at once. */
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installReason, missingTools, nodeProblem } from '../../scripts/setup.mjs';
import { withLock } from '../../scripts/setup-lock.mjs';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rma-house-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('the Node check', () => {
  it.each(['20.19.0', '20.20.2', '22.0.0', '24.11.1'])('accepts Node %s', (version) => {
    expect(nodeProblem(version)).toBeUndefined();
  });

  it.each(['18.20.4', '20.18.3'])('refuses Node %s and says what is needed', (version) => {
    expect(nodeProblem(version)).toMatch(/needs Node 20\.19 or later, and this is Node .* Install/);
  });
});

describe('the reason to install', () => {
  const ws = { version: '8.23.0', integrity: 'sha512-a' };
  const lock = {
    packages: { '': {}, 'node_modules/ws': ws, 'node_modules/fsevents': { version: '1', optional: true } },
  };

  it('is none where node_modules holds what the lock file says, optional packages for other platforms aside', () => {
    expect(installReason(lock, { packages: { 'node_modules/ws': ws } })).toBeUndefined();
  });

  it('is given where node_modules has no record of a finished install', () => {
    expect(installReason(lock, undefined)).toMatch('missing or incomplete');
  });

  it.each([
    ['another version', { 'node_modules/ws': { ...ws, version: '8.22.0' } }],
    ['other contents', { 'node_modules/ws': { ...ws, integrity: 'sha512-b' } }],
    ['one package less', {}],
    ['one package more', { 'node_modules/ws': ws, 'node_modules/left': { version: '1' } }],
  ])('is given where node_modules holds %s', (_, packages) => {
    expect(installReason(lock, { packages })).toMatch(/package-lock\.json changed \((ws|left)\)/);
  });
});

it('names exactly the build tools that are missing', () => {
  expect(missingTools(() => true)).toEqual([]);
  expect(missingTools((name) => name === 'make' || name === 'clang++')).toEqual(['python3']);
});

describe('the lock', () => {
  it('lets one in at a time and leaves nothing behind', async () => {
    const path = join(dir, 'lock');
    let inside = 0;
    let most = 0;
    const waited: string[] = [];
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inside--;
    };
    await Promise.all([1, 2, 3].map(() => withLock(path, work, (holder) => waited.push(holder))));
    expect(most).toBe(1);
    expect(waited).toContain(`process ${process.pid} on ${hostname()}`);
    expect(existsSync(path)).toBe(false);
  });

  it('is released when the work fails', async () => {
    const path = join(dir, 'lock');
    const failing = withLock(
      path,
      () => Promise.reject(new Error('no disk')),
      () => expect.fail('nobody holds it'),
    );
    await expect(failing).rejects.toThrow('no disk');
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    ['whose process is gone', { pid: 2 ** 22 + 1, host: hostname() }, 0],
    ['that shows no sign of life', { pid: process.pid, host: 'elsewhere' }, 60_000],
  ])('is taken over from a holder %s', async (_, holder, silentMs) => {
    const path = join(dir, 'lock');
    writeFileSync(path, JSON.stringify(holder));
    const seen = new Date(Date.now() - silentMs);
    utimesSync(path, seen, seen);
    const content = await withLock(
      path,
      async () => readFileSync(path, 'utf8'),
      () => expect.fail('must not wait'),
    );
    expect(JSON.parse(content)).toEqual({ pid: process.pid, host: hostname() });
  });
});

it('the lock file names no registry, so that it installs from any', () => {
  const path = fileURLToPath(new URL('../../package-lock.json', import.meta.url));
  const lock = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, { resolved?: string }> };
  const addresses = Object.values(lock.packages).flatMap(({ resolved }) =>
    resolved?.includes('//') ? [resolved] : [],
  );
  expect(addresses).toEqual([]);
});
