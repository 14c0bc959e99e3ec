/** Who gets in: tokens that are wrong in every way, versions, and what comes before a hello. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLOSE, type CloseName, type ErrorKind } from '@rma/protocol/error';
import { FEATURES, SUBPROTOCOLS } from '@rma/protocol/version';
import { Tokens } from '@rma/server/identity/tokens';
import { SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { type Peer, workerHello } from '../support/peer.js';
import { eventually, usePool } from '../support/pool.js';

const pool = usePool();

const signingKey = () =>
  Buffer.from(readFileSync(join(pool.coordinator.data, 'signing.key'), 'utf8').trim(), 'base64url');

/** The parts of a real token of this coordinator, to be put together otherwise. */
function claimsOf(token: string): { jti: string; role: string; sub: string } {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}

async function expectRefused(peer: Peer, kind: ErrorKind, close: CloseName, message: RegExp): Promise<void> {
  const error = await peer.waitFor('error');
  expect(error).toMatchObject({ about: 'hello', error: { kind, message: expect.stringMatching(message) } });
  expect(await peer.waitFor('goodbye')).toMatchObject({ reason: close });
  expect(await peer.closed).toEqual({ code: CLOSE[close].code, reason: close });
}

async function greet(token: string | undefined): Promise<Peer> {
  const peer = await pool.dial();
  const hello = { type: 'hello', protocol: 1, agent: { name: 'test', version: '0' } } as const;
  peer.send(token === undefined ? hello : { ...hello, token });
  return peer;
}

describe('a token', () => {
  const forge = {
    'that is absent': () => undefined,
    'that is no token': () => 'let-me-in',
    'that was cut': () => pool.coordinator.token('admin').slice(0, -4),
    'whose role was changed': () => {
      const [head, , signature] = pool.coordinator.token('client').split('.');
      const claims = { ...claimsOf(pool.coordinator.token('client')), role: 'admin' };
      return [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
    },
    'of another coordinator': () =>
      new SignJWT({ role: 'admin' })
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuer('rma-pool')
        .setSubject('admin')
        .setJti(claimsOf(pool.coordinator.token('admin')).jti)
        .sign(Buffer.alloc(32, 7)),
    'without a signature (alg none)': () =>
      new UnsecuredJWT({ role: 'admin' })
        .setIssuer('rma-pool')
        .setSubject('admin')
        .setJti(claimsOf(pool.coordinator.token('admin')).jti)
        .encode(),
    'with the right key and another algorithm (HS512)': () =>
      new SignJWT({ role: 'admin' })
        .setProtectedHeader({ alg: 'HS512' })
        .setIssuer('rma-pool')
        .setSubject('admin')
        .setJti(claimsOf(pool.coordinator.token('admin')).jti)
        .sign(signingKey()),
    'of another issuer': () =>
      new SignJWT({ role: 'admin' })
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuer('somebody-else')
        .setJti(claimsOf(pool.coordinator.token('admin')).jti)
        .sign(signingKey()),
    'without an id': () =>
      new SignJWT({ role: 'admin' }).setProtectedHeader({ alg: 'HS256' }).setIssuer('rma-pool').sign(signingKey()),
    'that is signed and was never made here': () =>
      new SignJWT({ role: 'admin' })
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuer('rma-pool')
        .setJti('t-neverwas0000')
        .sign(signingKey()),
  };

  it.each(Object.entries(forge))('%s is refused', async (_, make) => {
    await expectRefused(await greet(await make()), 'unauthenticated', 'unauthenticated', /token/);
  });

  it('is verified and signed at once: no tick of the event loop, nor a thread, for each of the hellos after a restart', () => {
    const tokens = new Tokens(signingKey());
    const { jti } = claimsOf(pool.coordinator.token('client'));
    expect(tokens.verify(pool.coordinator.token('client'))).toEqual({ id: jti, role: 'client' });
    const made = tokens.sign({ id: 't-1', role: 'worker', subject: 'w-1', expiresAt: 0 });
    expect(tokens.verify(made)).toEqual({ id: 't-1', role: 'worker' });
  });

  it('of a client whose claim says admin is a client: the record decides, not the claim', async () => {
    const { jti } = claimsOf(pool.coordinator.token('client'));
    const token = await new SignJWT({ role: 'admin' })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('rma-pool')
      .setSubject('admin')
      .setJti(jti)
      .sign(signingKey());
    const peer = await pool.dial();
    expect(await peer.hello({ token })).toMatchObject({ role: 'client', subject: 'client' });
  });

  it('that has expired is refused and says how to get another', async () => {
    const { token } = await pool.mint({ role: 'client', name: 'brief', expiresInSeconds: 1 });
    await eventually(async () => {
      const peer = await greet(token);
      await peer.closed;
      expect(peer.inbox.at(0)).toMatchObject({ type: 'error', error: { message: expect.stringContaining('expired') } });
    });
    await expectRefused(await greet(token), 'unauthenticated', 'unauthenticated', /expired.*rma token create/);
  });

  it('that expires closes the session that it opened', async () => {
    const { token } = await pool.mint({ role: 'client', name: 'brief', expiresInSeconds: 1 });
    const peer = await pool.client(token);
    expect(await peer.waitFor('goodbye')).toMatchObject({
      reason: 'revoked',
      message: expect.stringContaining('expired'),
    });
    expect(await peer.closed).toEqual({ code: CLOSE.revoked.code, reason: 'revoked' });
  });

  it('that is revoked closes the live socket and opens no other', async () => {
    const { token, view } = await pool.mint({ role: 'client', name: 'gone' });
    const peer = await pool.client(token);
    const other = await pool.client(token);
    const admin = await pool.admin();
    const revoked = await admin.ask({ type: 'act', action: { do: 'token.revoke', token: view.id } });
    expect(revoked).toMatchObject({ id: view.id, revokedAt: expect.any(Number) });
    for (const each of [peer, other]) {
      expect(await each.waitFor('goodbye')).toMatchObject({ reason: 'revoked' });
      expect(await each.closed).toEqual({ code: CLOSE.revoked.code, reason: 'revoked' });
    }
    await expectRefused(await greet(token), 'unauthenticated', 'revoked', /revoked.*admin/);
  });

  it('is never shown again: neither in the list of tokens nor in an event', async () => {
    const { token, view } = await pool.mint({ role: 'client', name: 'secret-keeper' });
    const admin = await pool.admin();
    const listed = JSON.stringify([
      await admin.ask({ type: 'query', query: { what: 'tokens' } }),
      await admin.ask({ type: 'query', query: { what: 'events', since: 0, limit: 1_000 } }),
    ]);
    expect(listed).toContain(view.id);
    expect(listed).not.toContain(token);
    expect(listed).not.toContain(token.split('.')[2]);
  });
});

describe.each(SUBPROTOCOLS)('a hello over %s', (subprotocol) => {
  it('of another version is answered with the one that is spoken', async () => {
    const peer = await pool.dial({ subprotocol });
    peer.send({
      type: 'hello',
      protocol: 2,
      agent: { name: 'tomorrow', version: '9' },
      token: pool.coordinator.token('client'),
    });
    await expectRefused(peer, 'unsupported_version', 'unsupported_version', /protocol 2 .* 1 .*tomorrow/);
  });

  it.each<[string, object, string]>([
    ['without an agent', { agent: undefined }, ''],
    ['with a name of no length', { agent: { name: '', version: '1' } }, '/agent/name'],
    ['with a token that is a number', { token: 7 }, '/token'],
    ['with a token above 4096 characters', { token: 'x'.repeat(5_000) }, '/token'],
    ['with a worker that lacks its hardware', { worker: { ...workerHello(), hardware: undefined } }, '/worker'],
  ])('%s is refused with the path', async (_, change, path) => {
    const peer = await pool.dial({ subprotocol });
    const hello = { type: 'hello', protocol: 1, agent: { name: 'test', version: '0' }, ...change };
    peer.send(JSON.parse(JSON.stringify(hello)));
    const { error } = await peer.waitFor('error');
    expect(error).toMatchObject({ kind: 'invalid', path, expected: expect.any(String) });
    expect(await peer.closed).toEqual({ code: CLOSE.bad_frame.code, reason: 'bad_frame' });
  });

  it('with unknown fields and features is welcome', async () => {
    const peer = await pool.dial({ subprotocol });
    const hello = { features: ['blobs', 'telepathy'], mood: 'fine', token: pool.coordinator.token('client') };
    const welcome = await peer.hello(hello);
    expect(welcome).toMatchObject({
      protocol: 1,
      role: 'client',
      subject: 'client',
      heartbeatMs: 3_000,
      silenceMs: 8_000,
    });
    expect(welcome.features).toEqual(['blobs']);
    const newest = await (await pool.dial({ subprotocol })).hello({ ...hello, features: ['telepathy', ...FEATURES] });
    expect(newest.features).toEqual([...FEATURES]);
    expect(welcome.server.version).toBe('0.0.0-test');
  });

  it('is accepted once', async () => {
    const peer = await pool.client(undefined, { subprotocol });
    peer.send({ type: 'hello', protocol: 1, agent: { name: 'test', version: '0' } });
    expect(await peer.waitFor('error')).toMatchObject({ about: 'hello', error: { kind: 'conflict' } });
    expect(await peer.ask({ type: 'query', query: { what: 'stats' } })).toMatchObject({ version: '0.0.0-test' });
  });
});

it('speaks JSON to a peer that offers no subprotocol', async () => {
  const peer = await pool.client(undefined, { subprotocol: null });
  expect(await peer.ask({ type: 'query', query: { what: 'workers' } })).toEqual([]);
});

it('answers a hello in text on a MessagePack connection, and the other way round, in the subprotocol agreed on', async () => {
  const peer = await pool.dial();
  peer.sendRaw(
    JSON.stringify({
      type: 'hello',
      protocol: 1,
      agent: { name: 'test', version: '0' },
      token: pool.coordinator.token('client'),
    }),
  );
  expect(await peer.waitFor('welcome')).toMatchObject({ role: 'client' });
});
