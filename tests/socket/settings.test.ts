/** Settings: what is wrong with one is said with its source. That this ends the command with 2 is in command.test.ts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, readConfig } from '@rma/server/config';
import { afterAll, expect, it } from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'rma-settings-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it.each<[string, Parameters<typeof readConfig>[0], Record<string, string>, RegExp]>([
  ['a port that is none', { port: 'http' }, {}, /^--port: expected a whole number from 0 to 65535, got 'http'$/],
  ['a port beyond the last', {}, { RMA_PORT: '65536' }, /^RMA_PORT: expected a whole number/],
  ['an empty port', {}, { RMA_PORT: '' }, /^RMA_PORT/],
  ['another transport', { transport: 'http3' }, {}, /^--transport: expected auto, uws, ws/],
  [
    'an origin with a path',
    { allowedOrigin: 'https://a.example/x' },
    {},
    /^--allowed-origin: 'https:\/\/a.example\/x' is not an origin/,
  ],
  ['a public address with a query', { publicUrl: 'https://a.example/?t=1' }, {}, /^--public-url: expected an address/],
  ['a public address that is none', {}, { RMA_PUBLIC_URL: 'pool' }, /^RMA_PUBLIC_URL: expected an address/],
  [
    'a switch that is neither on nor off',
    {},
    { RMA_TRUST_PROXY: 'yes' },
    /^RMA_TRUST_PROXY: expected true or false, got 'yes'$/,
  ],
])('%s is refused with its source', (_, flags, environment, message) => {
  expect(() => readConfig(flags, environment, undefined)).toThrow(ConfigError);
  expect(() => readConfig(flags, environment, undefined)).toThrow(message);
});

it('a config file that is not there is refused by name', () => {
  expect(() => readConfig({}, {}, join(directory, 'none.yaml'))).toThrow(/none\.yaml cannot be read/);
});

it('an unknown name in a file is refused with the list of names', () => {
  const file = join(directory, 'rma.yaml');
  writeFileSync(file, 'prot: 8080\n');
  const message = /rma\.yaml: there is no setting 'prot'; the settings are host, port, data/;
  expect(() => readConfig({}, {}, file)).toThrow(message);
});
