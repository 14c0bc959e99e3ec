/** The tokens that a pool begins with, and the files that keep them. */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureFirstTokens } from '@rma/server/identity/first-tokens';
import { writeSecret } from '@rma/server/identity/secret-file';
import { Tokens } from '@rma/server/identity/tokens';
import { openSqliteStore } from '@rma/server/store/sqlite-store';
import { expect, it } from 'vitest';
import { startTestCoordinator } from '../support/coordinator.js';
import { Peer } from '../support/peer.js';
import { NOW, persistOf, testDirectory } from './records.js';

const NAMES = ['admin', 'client', 'join', 'local'];
const fileOf = (data: string, name: string) => join(data, `${name}.token`);

/** What a start does with them; answers the names of the files that it wrote. */
async function start(data: string): Promise<string[]> {
  const store = openSqliteStore(join(data, 'pool.db'));
  const written = await ensureFirstTokens(data, Tokens.open(data), store, store.load().tokens, NOW);
  store.close();
  return written.map((file) => NAMES.find((name) => fileOf(data, name) === file) ?? file);
}

/** Role and record of the token in a file, or undefined where it is not one of the pool. */
async function tokenIn(data: string, name: string) {
  const store = openSqliteStore(join(data, 'pool.db'));
  const { tokens } = store.load();
  store.close();
  const { id } = await Tokens.open(data).verify(readFileSync(fileOf(data, name), 'utf8').trim());
  return tokens.find((token) => token.id === id);
}

it('are written at the first start and left alone at the next', async () => {
  const data = testDirectory();
  expect(await start(data)).toEqual(NAMES);
  const before = NAMES.map((name) => readFileSync(fileOf(data, name), 'utf8'));
  expect(await start(data)).toEqual([]);
  expect(NAMES.map((name) => readFileSync(fileOf(data, name), 'utf8'))).toEqual(before);
  expect(await tokenIn(data, 'admin')).toMatchObject({ role: 'admin' });
  expect(await tokenIn(data, 'client')).toMatchObject({ role: 'client' });
  expect(await tokenIn(data, 'join')).toMatchObject({ role: 'join', trust: 'community', usesLeft: 1_000 });
  expect(await tokenIn(data, 'local')).toMatchObject({ role: 'join', trust: 'trusted', usesLeft: 1 });
});

it.each([
  ['is missing', (file: string) => rmSync(file)],
  ['is empty', (file: string) => writeFileSync(file, '')],
  ['lost its end', (file: string) => writeFileSync(file, readFileSync(file, 'utf8').slice(0, 100))],
  ['holds something else', (file: string) => writeFileSync(file, Buffer.from([0, 255, 10, 13]))],
])('are written anew where a file %s, that one only', async (_what, damage) => {
  const data = testDirectory();
  await start(data);
  damage(fileOf(data, 'client'));
  expect(await start(data)).toEqual(['client']);
  expect(await tokenIn(data, 'client')).toMatchObject({ role: 'client' });
});

it('are written anew where they are of another pool, or their record is gone', async () => {
  const data = testDirectory();
  const other = testDirectory();
  await start(data);
  await start(other);
  writeFileSync(fileOf(data, 'admin'), readFileSync(fileOf(other, 'admin')));
  expect(await start(data)).toEqual(['admin']);
  rmSync(join(data, 'pool.db'));
  expect(await start(data)).toEqual(NAMES);
  rmSync(join(data, 'signing.key'));
  expect(await start(data)).toEqual(NAMES);
});

it('stay revoked over a restart', async () => {
  const data = testDirectory();
  await start(data);
  const token = (await tokenIn(data, 'client'))!;
  const store = openSqliteStore(join(data, 'pool.db'));
  store.commit(persistOf({ tokens: new Set([{ ...token, revokedAt: NOW }]) }), NOW);
  store.close();
  expect(await start(data)).toEqual([]);
  expect(await tokenIn(data, 'client')).toMatchObject({ id: token.id, revokedAt: NOW });

  const coordinator = await startTestCoordinator({ data });
  try {
    const peer = await Peer.dial(coordinator.url);
    await expect(peer.hello({ token: coordinator.token('client') })).rejects.toThrow('4498');
  } finally {
    await coordinator.dispose();
  }
});

it('and the signing key are for their owner only, and leave no other file behind', async () => {
  const data = testDirectory();
  // Readable by all before: the mode has to be set, not only asked for at creation.
  writeFileSync(fileOf(data, 'admin'), 'old', { mode: 0o644 });
  await start(data);
  for (const name of [...NAMES.map((each) => `${each}.token`), 'signing.key']) {
    expect([name, statSync(join(data, name)).mode & 0o777]).toEqual([name, 0o600]);
  }
  expect(readdirSync(data).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

it('a secret file is replaced as a whole, whatever its mode was', () => {
  const file = join(testDirectory(), 'secret');
  writeFileSync(file, 'a much longer secret than the next one', { mode: 0o666 });
  writeSecret(file, 'short');
  expect(readFileSync(file, 'utf8')).toBe('short\n');
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

it('a damaged signing key stops the start, with a remedy', async () => {
  const data = testDirectory();
  await start(data);
  writeFileSync(join(data, 'signing.key'), 'c2hvcnQ\n');
  await expect(start(data)).rejects.toThrow(
    `${join(data, 'signing.key')} is damaged: restore it, or remove it and every *.token beside it`,
  );
});
