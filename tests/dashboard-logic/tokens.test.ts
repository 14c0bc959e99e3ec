/** Tokens and invitations in the dashboard, compared with the coordinator's own rules. */
import type { TokenView } from '@rma/client';
import { Act } from '@rma/protocol/up';
import { joinInfoOf } from '@rma/server/topics/join';
import { Value } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import {
  consequencesOf,
  matchingTokens,
  nameProblem,
  readTokenFilter,
  stateOf,
  type TokenFilter,
} from '../../dashboard/src/lib/access/token-state.js';
import { commandFor, likelyWay, WAYS } from '../../dashboard/src/lib/join/commands.js';
import { type Draft, FRESH, machineName, problemsOf, tokenOf } from '../../dashboard/src/lib/join/new-token.js';
import { endedInvitation, refusedInvitation, validityText } from '../../dashboard/src/lib/join/validity.js';

const NOW = 1_000_000;
const HOUR = 3_600_000;
const token = (part: Partial<TokenView> = {}): TokenView => ({
  id: 't-1',
  role: 'client',
  name: 'site',
  subject: 'site',
  createdAt: 1,
  ...part,
});
const isTaken = (action: object) => Value.Check(Act, { type: 'act', ref: 1, action });

/** Names that somebody may type or paste. */
const NAMES = [
  'attic-pc',
  'Ada & <b>Söhne</b>',
  "'; drop table tokens --",
  '__proto__',
  'a\nb',
  `evil${String.fromCharCode(0x202e)}txt.exe`,
  String.fromCharCode(0x7f),
  '😀'.repeat(64),
  'x'.repeat(64),
];

describe('the state of a token', () => {
  it.each<[Partial<TokenView>, string]>([
    [{}, 'valid'],
    [{ usesLeft: 1, expiresAt: NOW + 1 }, 'valid'],
    [{ expiresAt: NOW }, 'expired'],
    [{ usesLeft: 0 }, 'used up'],
    [{ usesLeft: 0, expiresAt: NOW - 1 }, 'expired'],
    [{ usesLeft: 0, expiresAt: NOW - 1, revokedAt: NOW }, 'revoked'],
  ])('%j: %s, as the coordinator says', (part, state) => {
    expect(stateOf(token(part), NOW)).toBe(state);
    const { expiresAt = 0, usesLeft = -1, revokedAt = 0 } = part;
    const record = { ...token({ role: 'join' }), owner: 'ada', trust: 'community', lastUsedAt: 0 } as const;
    const info = joinInfoOf({ ...record, expiresAt, usesLeft, revokedAt }, 'pool', NOW);
    expect(info.reason ?? 'valid').toContain(state);
  });
});

describe('the list of tokens', () => {
  const fits = (query: string, tokens: readonly TokenView[]) =>
    matchingTokens(tokens, readTokenFilter(new URLSearchParams(query)), NOW).map(({ id }) => id);
  const all = [
    token({ id: 't-old', createdAt: 10 }),
    token({ id: 't-over', createdAt: 90, expiresAt: NOW }),
    token({ id: 't-new', createdAt: 20, role: 'join', name: 'attic', owner: 'Ada <x>' }),
    token({ id: 't-used', createdAt: 80, role: 'join', usesLeft: 0 }),
  ];

  it.each([
    ['', ['t-new', 't-old', 't-over', 't-used']],
    ['state=used%20up', ['t-used']],
    ['state=used+up&role=client', []],
    ['role=join&q=%20ADA%20%3CX ', ['t-new']],
    ['q=t-o', ['t-old', 't-over']],
  ])('by %j: valid ones first, then the newest', (query, ids) => {
    expect(fits(query, all)).toEqual(ids);
    expect(all[0]?.id).toBe('t-old');
  });

  it('takes no role or state that there is not', () => {
    const none: TokenFilter = { role: '', state: '', text: '' };
    expect(readTokenFilter(new URLSearchParams('role=worker&state=constructor'))).toEqual(none);
  });
});

describe('revoking a token', () => {
  const admin = token({ id: 't-admin', role: 'admin' });
  const text = (one: TokenView, tokens: readonly TokenView[], isOwn = false) =>
    consequencesOf(one, { isOwn, tokens, now: NOW }).join(' ');

  it('warns before the last valid admin token, and of signing oneself out', () => {
    const over = token({ id: 't-2', role: 'admin', expiresAt: NOW });
    expect(text(admin, [admin, over], true)).toMatch(/last valid admin token.*cannot be undone/);
    expect(text(admin, [admin, over], true)).toContain('you will be signed out');
    expect(text(admin, [admin, { ...over, expiresAt: NOW + 1 }])).not.toMatch(/last admin|signed out/);
    expect(text(token(), [token()])).not.toContain('last admin');
  });

  it('says for a join token that the machines stay', () => {
    expect(text(token({ role: 'join' }), [])).toContain('Machines that already joined stay');
  });
});

describe('a name', () => {
  it.each(NAMES)('%j of a token is taken where the coordinator takes it', (name) => {
    expect(nameProblem('client', name) === undefined).toBe(isTaken({ do: 'token.create', role: 'client', name }));
  });

  it('is not empty, not too long, and gives nobody the tasks of the admins', () => {
    expect(nameProblem('client', ' \t ')).toMatch(/Enter a name/);
    expect(nameProblem('client', 'x'.repeat(65))).toMatch(/at most 64/);
    expect(nameProblem('client', ' admin ')).toMatch(/reserved/);
    expect(nameProblem('admin', 'admin')).toBeUndefined();
  });
});

describe('the form of a join token', () => {
  const draft = (part: Partial<Draft>): Draft => ({ ...FRESH, ...part });

  it.each([
    ...NAMES.map((name) => draft({ name })),
    ...NAMES.map((owner) => draft({ owner })),
    ...['1', ' 12 ', '1000000', '0', '-1', '1.5', '1e3', '', '1000001', '9'.repeat(400), '٣'].map((uses) =>
      draft({ uses }),
    ),
  ])('is refused on the page where the coordinator would refuse it: %j', (one) => {
    const isFine = Object.keys(problemsOf(one)).length === 0;
    if (isFine) expect(isTaken({ do: 'token.create', ...tokenOf(one) })).toBe(true);
    else if (one.uses === '1') expect(isTaken({ do: 'token.create', ...tokenOf(one) })).toBe(false);
    else expect(problemsOf(one)).toEqual({ uses: 'Enter a number from 1 to 1,000,000.' });
  });

  it('for a trusted machine is for one machine, whatever stood in the hidden field', () => {
    const trusted = draft({ trust: 'trusted', uses: 'many', name: ' vault ' });
    expect(problemsOf(trusted)).toEqual({});
    expect(tokenOf(trusted)).toMatchObject({ uses: 1, owner: 'vault', trust: 'trusted' });
    expect(machineName(trusted)).toBe('vault');
  });

  it('names the machine where there can be but one, and the owner in any case', () => {
    expect(machineName(draft({ name: 'attic', uses: ' 1 ' }))).toBe('attic');
    expect(machineName(draft({ name: 'attic', uses: '2' }))).toBeUndefined();
    expect(machineName(draft({ name: '  ' }))).toBeUndefined();
    expect(tokenOf(FRESH)).toEqual({
      role: 'join',
      name: 'invitation',
      owner: 'community',
      trust: 'community',
      uses: 1,
      expiresInSeconds: 86_400,
    });
  });
});

describe('the command of an invitation', () => {
  const join = { url: 'https://pool.example', agentPath: '/agent.tgz', token: 'T', gpu: false, image: undefined };

  it('is there for every way, and says why where the shell cannot pass a name on', () => {
    for (const { way } of WAYS) expect(commandFor(way, { ...join, name: 'Ada’s attic' })).toHaveProperty('line');
    expect(commandFor('powershell', { ...join, name: 'a&b' })).toEqual({
      problem: expect.stringMatching(/"&" cannot/),
    });
    expect(commandFor('node', { ...join, name: "a'; rm -rf ~ #" })).toEqual({
      line: expect.stringContaining("'a'\\''; rm -rf ~ #'"),
    });
    expect(() => commandFor('node', { ...join, name: 'x', url: 'no url' })).toThrow(TypeError);
  });

  it.each([
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36', 'powershell'],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)', 'node'],
    ['Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)', 'node'],
    ['', 'docker'],
  ])('for the browser %j is at first that of %s', (agent, way) => {
    expect(likelyWay(agent)).toBe(way);
  });
});

describe('the validity of an invitation', () => {
  const now = new Date(2026, 10, 22, 12).getTime();

  it.each([
    [{}, 'for any number of machines, until it is revoked'],
    [{ usesLeft: 1 }, 'for 1 more machine, until it is revoked'],
    [
      { usesLeft: 3, expiresAt: now + 20 * HOUR },
      'for 3 more machines, until 23 Nov 2026, 08:00:00 (in\u00a020\u00a0h)',
    ],
    [{ expiresAt: now + 30 * 24 * HOUR }, 'for any number of machines, until 22 Dec 2026, 12:00:00'],
  ])('%j: %s', (info, text) => {
    expect(validityText(info, now)).toBe(text);
  });

  it.each([
    [{ expiresAt: NOW }, /expired/, /It was valid until 1 Jan 1970/],
    [{ usesLeft: 0 }, /has been used/, /As many machines have joined/],
    [{ revokedAt: 1, usesLeft: 0 }, /withdrawn/, /admin of the pool/],
  ])("has a kind explanation once it is over, from the coordinator's reason: %j", (part, title, text) => {
    const record = { ...token({ role: 'join' }), owner: 'ada', trust: 'community', lastUsedAt: 0 } as const;
    const info = joinInfoOf({ ...record, expiresAt: 0, usesLeft: -1, revokedAt: 0, ...part }, 'pool', NOW);
    const problem = endedInvitation(info);
    expect(problem.title).toMatch(title);
    expect(problem.text).toMatch(text);
    expect(problem.text).toContain('Nothing was changed on this machine');
  });

  it('of an unknown reason is shown in its words', () => {
    const info = { pool: 'p', token: 't-1', name: 'n', owner: 'o', trust: 'community', valid: false } as const;
    expect(endedInvitation({ ...info, reason: 'the moon is full' }).text).toContain('the moon is full');
    expect(endedInvitation(info).title).toBe('This invitation is no longer valid');
  });

  it.each([
    ['unauthenticated', 'the token has expired; make a new one', /expired/, false],
    ['unauthenticated', 'the token was revoked; ask the admin', /withdrawn/, false],
    ['unauthenticated', 'the token is not one of this coordinator', /not an invitation to this pool/, false],
    ['forbidden', "a token of the role 'admin' is not for joining", /a key, not an invitation/, false],
    ['unavailable', 'the coordinator cannot be reached (Failed to fetch); try again', /does not answer/, true],
    ['rate_limited', 'too many questions', /does not answer/, true],
    ['a kind to come', '', /does not answer/, true],
  ])('a refusal %s: %s', (kind, message, title, mayPass) => {
    const problem = refusedInvitation(kind, message);
    expect(problem.title).toMatch(title);
    expect(problem.mayPass).toBe(mayPass);
  });
});
