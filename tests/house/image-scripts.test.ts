/** What setup and image builds run: the slimming of node_modules, and the packing of the agent. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentManifest, bundledBy, tarball } from '../../scripts/agent-package.mjs';
import { slim, slimCheckout } from '../../scripts/slim-modules.mjs';
import { ROOT } from '../support/program.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rma-image-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('both Dockerfiles begin with the same stage, so that an engine builds it once', () => {
  const stage = (name: string) => /^FROM[\s\S]+?(?=\n\n)/m.exec(readFileSync(join(ROOT, name), 'utf8'))?.[0].trim();
  expect(stage('Dockerfile.coordinator')).toContain('RUN node scripts/image-build.mjs');
  expect(stage('Dockerfile.worker')).toBe(stage('Dockerfile.coordinator'));
});

describe('slimming node_modules', () => {
  const target = { platform: 'linux', arch: 'x64', abi: '137' };
  const put = (...paths: string[]) => {
    for (const path of paths) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), '');
    }
  };

  it('keeps the one binary that runs here, and everything that is no binary', () => {
    put('uWebSockets.js/uws.js', 'uWebSockets.js/uws_linux_x64_137.node', 'uWebSockets.js/uws_win32_x64_137.node');
    put('better-sqlite3/prebuilds/linux-x64.node', 'better-sqlite3/prebuilds/darwin-arm64.node');
    put('better-sqlite3/deps/sqlite3/sqlite3.c', 'better-sqlite3/lib/index.js', 'ws/index.js');
    expect(slim(directory, target).sort()).toEqual([
      'better-sqlite3/deps',
      'better-sqlite3/prebuilds/darwin-arm64.node',
      'uWebSockets.js/uws_win32_x64_137.node',
    ]);
    for (const path of ['uWebSockets.js/uws_linux_x64_137.node', 'better-sqlite3/lib/index.js', 'ws/index.js']) {
      expect(existsSync(join(directory, path))).toBe(true);
    }
    expect(slim(directory, target)).toEqual([]);
  });

  it('keeps in a checkout the binaries of every supported Node on this machine, and what is compiled', () => {
    put('uWebSockets.js/uws_linux_x64_108.node', 'uWebSockets.js/uws_linux_x64_115.node');
    put('uWebSockets.js/uws_linux_x64_137.node', 'uWebSockets.js/uws_linux_arm64_137.node', 'uWebSockets.js/uws.js');
    put('better-sqlite3/prebuilds/linux-x64.node', 'better-sqlite3/prebuilds/linuxmusl-x64.node');
    put('better-sqlite3/prebuilds/win32-x64.node', 'better-sqlite3-node20/deps/sqlite3/sqlite3.c');
    expect(slimCheckout(directory, target).sort()).toEqual([
      'better-sqlite3/prebuilds/win32-x64.node',
      'uWebSockets.js/uws_linux_arm64_137.node',
      'uWebSockets.js/uws_linux_x64_108.node',
    ]);
    expect(slimCheckout(directory, target)).toEqual([]);
  });

  it('fails where the binary for this Node is missing, before anything is removed', () => {
    put('uWebSockets.js/uws_linux_x64_115.node', 'better-sqlite3/deps/sqlite3.c');
    expect(() => slim(directory, target)).toThrow(/uWebSockets.js has no uws_linux_x64_137.node/);
    expect(existsSync(join(directory, 'better-sqlite3/deps'))).toBe(true);
  });
});

describe('packing the agent', () => {
  const long = `package/node_modules/@rma/protocol/dist/${'deep/'.repeat(12)}${'x'.repeat(40)}.js`;
  const files = [
    { path: 'package/bin/run.js', content: Buffer.from('#!/bin/sh\n'), executable: true },
    { path: long, content: Buffer.from('x'.repeat(1_000)) },
    { path: 'package/empty.js', content: Buffer.alloc(0) },
  ];

  it('gives the same bytes for the same files, as tar reads them', () => {
    const bytes = tarball(files);
    expect(tarball(files).equals(bytes)).toBe(true);
    const file = join(directory, 'a.tgz');
    writeFileSync(file, bytes);
    execFileSync('tar', ['xzf', file, '-C', directory]);
    for (const { path, content } of files) expect(readFileSync(join(directory, path))).toEqual(content);
    expect(execFileSync('tar', ['tvzf', file], { encoding: 'utf8' })).toMatch(/^-rwxr-xr-x .*package\/bin\/run\.js$/m);
  });

  it('refuses a path that the format cannot hold', () => {
    expect(() => tarball([{ path: `package/${'x'.repeat(101)}`, content: Buffer.alloc(0) }])).toThrow(/too long/);
  });

  it('depends on what the agent and its bundled packages depend on, and compiles nothing', () => {
    const read = (name: string) => JSON.parse(readFileSync(join(ROOT, name, 'package.json'), 'utf8'));
    const agent = read('agent');
    const bundled = bundledBy(ROOT, agent);
    const manifest = agentManifest(agent, bundled);
    expect(bundled.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['@rma/protocol', '@rma/peer', '@rma/workloads']),
    );
    expect(manifest.bundleDependencies).toEqual(bundled.map(({ name }) => name));
    expect(manifest.dependencies).toMatchObject({ ...agent.dependencies, '@rma/protocol': agent.version });
    for (const name of ['protocol', 'peer', 'workloads']) {
      expect(manifest.dependencies).toMatchObject(read(name).dependencies);
    }
    expect(manifest.optionalDependencies).toEqual({ 'better-sqlite3': '13.2.0' });
  });
});
