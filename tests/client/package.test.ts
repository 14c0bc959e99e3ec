/** The package as its users get it: URLs, its version, and what reaches a browser. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { socketUrl } from '@rma/client/url';
import { CLIENT_NAME, CLIENT_VERSION } from '@rma/client/version';
import { isLoopback } from '@rma/peer/loopback';
import { expect, it } from 'vitest';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const client = join(root, 'client');
const [manifest, peer] = ['client', 'peer'].map((name) =>
  JSON.parse(readFileSync(join(root, name, 'package.json'), 'utf8')),
);

it('calls itself on the wire what its manifest says', () => {
  expect([CLIENT_NAME, CLIENT_VERSION]).toEqual([manifest.name, manifest.version]);
});

it.each([
  ['http://127.0.0.1:8080', 'ws://127.0.0.1:8080/ws'],
  ['http://localhost:8080/', 'ws://localhost:8080/ws'],
  ['https://pool.example', 'wss://pool.example/ws'],
  ['wss://pool.example/base/', 'wss://pool.example/base/ws'],
  ['ws://[::1]:9/ws', 'ws://[::1]:9/ws'],
])('finds the socket of %s', (url, socket) => {
  expect(socketUrl(url)).toBe(socket);
});

it.each([
  'pool.example:8080',
  '8080',
  'ftp://pool.example',
  'https://me:secret@pool.example',
  'https://pool.example/?token=x',
])('refuses the URL %s', (url) => {
  expect(() => socketUrl(url)).toThrow();
});

it('sends a token over plain http to this machine only, unless it is told otherwise', () => {
  expect(() => socketUrl('http://192.168.1.5:8080')).toThrow(/not encrypted/);
  expect(socketUrl('http://192.168.1.5:8080', true)).toBe('ws://192.168.1.5:8080/ws');
  expect(['127.0.0.1', '127.9.9.9', 'localhost', '[::1]', 'rma.localhost'].every(isLoopback)).toBe(true);
  expect(['127.0.0.1.evil.example', 'localhost.example', '0.0.0.0', '10.0.0.1'].some(isLoopback)).toBe(false);
});

/** Every module that `entry` imports, followed through this project's packages as a bundler for browsers does. */
function browserImports(entry: string): Set<string> {
  const outside = new Set<string>();
  const seen = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, 'utf8');
    const later = text.matchAll(/\bimport\('([^']+)'\)/g);
    for (const [, name = ''] of [...text.matchAll(/^(?:import|export)\b[^;]*?from '([^']+)'/gm), ...later]) {
      if (name.startsWith('.')) visit(resolve(dirname(file), name));
      else if (name.startsWith('#')) visit(resolve(root, 'peer', peer.imports[name].browser));
      else if (name === '@rma/peer/check') visit(resolve(root, 'peer', peer.exports['./check'].browser));
      else if (name.startsWith('@rma/')) visit(fileURLToPath(import.meta.resolve(name)));
      else outside.add(name);
    }
  };
  visit(entry);
  expect(seen.size).toBeGreaterThan(20);
  return outside;
}

it('brings no Node.js module to a browser', () => {
  const outside = browserImports(join(client, 'dist/index.js'));
  expect([...outside].sort()).toEqual(['msgpackr', 'typebox', 'uuid']);
});
