/** `rma join-command`: a token, and the command that joins a machine, quoted for each shell. */
import { execFileSync } from 'node:child_process';
import { type Join, joinLine } from '@rma/client/join-lines';
import { environmentLine, powerShellWord, shWord } from '@rma/client/shell-quote';
import type { TokenView } from '@rma/protocol/view';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { usePool } from '../support/pool.js';
import { rmaHere } from './support/rma.js';

const join = (change: Partial<Join> = {}): Join => ({
  url: 'https://pool.example.org',
  agentPath: '/agent-1.2.3-0123456789ab.tgz',
  token: 'eyJ.a-b_c.d',
  name: undefined,
  gpu: false,
  image: undefined,
  ...change,
});

/** What a command sees of its arguments, run by a real shell with `stand-in` in the place of the program. */
function wordsSeen(line: string, program: string): string[] {
  const script = `${program}() { for word in "$@"; do printf '%s\\0' "$word"; done; }; ${line}`;
  return execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1);
}

const nasty = fc.oneof(
  fc.string({ minLength: 1 }),
  fc.constantFrom("O'Brien's", '$(reboot)', '`id`', 'a\\b', '"x"', '*', '~', '!!', ';ls', 'ä ö'),
);
const word = nasty.filter((text) => !text.includes('\0'));

describe('for POSIX shells', () => {
  it('any word arrives as it was', () => {
    const words = fc.sample(word, 200);
    expect(wordsSeen(`stand_in ${words.map(shWord).join(' ')}`, 'stand_in')).toEqual(words);
  });

  it('Docker gets the address, the token, a volume for its identity, and the GPUs where asked', () => {
    expect(wordsSeen(joinLine('docker', join({ name: "Ada's rig", gpu: true })), 'docker')).toEqual(
      'run -d --restart unless-stopped --name rma-worker -v rma-worker:/var/lib/rma-worker'
        .split(' ')
        .concat(['-e', 'COORDINATOR_URL=https://pool.example.org', '-e', 'RMA_TOKEN=eyJ.a-b_c.d'])
        .concat(['--gpus', 'all', 'rma-gpu-worker', '--name', "Ada's rig"]),
    );
    expect(joinLine('docker', join())).toMatch(/ rma-cpu-worker$/);
  });

  it('Node gets the token by the environment, never by the address', () => {
    const line = joinLine('node', join({ name: '$(reboot)' }));
    const seen = wordsSeen(line.replace('npx', 'npx "$RMA_TOKEN"'), 'npx');
    expect(seen.slice(1)).toEqual([
      '--yes',
      'https://pool.example.org/agent-1.2.3-0123456789ab.tgz',
      '--url',
      'https://pool.example.org',
      '--name',
      '$(reboot)',
    ]);
    expect(line.startsWith('RMA_TOKEN=eyJ.a-b_c.d npx ')).toBe(true);
  });

  it('systemd gets an environment file that only root reads', () => {
    const line = joinLine('systemd', join({ name: 'a "b" $c' }));
    const [write] = line.split(' && ');
    const file = execFileSync('sh', ['-c', (write as string).replace(/\| sudo.*$/, '')], { encoding: 'utf8' });
    expect(file.trim().split('\n')).toEqual([
      'RMA_URL="https://pool.example.org"',
      'RMA_TOKEN="eyJ.a-b_c.d"',
      'RMA_AGENT="https://pool.example.org/agent-1.2.3-0123456789ab.tgz"',
      String.raw`RMA_NAME="a \"b\" \$c"`,
    ]);
    expect(line).toContain('sudo install -m 600 /dev/stdin /etc/rma-worker.env');
    expect(environmentLine('X', 'a\\`')).toBe(String.raw`X="a\\${'\\`'}"`);
  });
});

describe('for PowerShell', () => {
  it('a value stands in single quotes, each of which is doubled, also the typographic ones', () => {
    expect(powerShellWord("O'Brien\u2019s $env:X `n")).toBe("'O''Brien\u2019\u2019s $env:X `n'");
  });

  it('the token is a variable and the rest are arguments', () => {
    expect(joinLine('powershell', join({ name: "Ada's PC" }))).toBe(
      "$env:RMA_TOKEN='eyJ.a-b_c.d'; npx --yes 'https://pool.example.org/agent-1.2.3-0123456789ab.tgz' --url 'https://pool.example.org' --name 'Ada''s PC'",
    );
  });

  it.each(['a"b', '50%', 'a&b', 'a|b', '^'])('a name that cmd.exe would read, %s, is refused', (name) => {
    expect(() => joinLine('powershell', join({ name }))).toThrow(/--name: ".*" cannot be passed on by PowerShell/);
  });
});

describe('an address', () => {
  it('of the network at home is marked as open; loopback needs nothing, but Docker the host network', () => {
    const lan = join({ url: 'http://192.168.1.5:8080' });
    for (const form of ['docker', 'node', 'powershell'] as const) expect(joinLine(form, lan)).toMatch(/ --insecure$/);
    expect(joinLine('systemd', lan)).toContain('RMA_INSECURE="true"');
    const local = join({ url: 'http://127.0.0.1:8080' });
    expect(joinLine('node', local)).not.toContain('--insecure');
    expect(joinLine('docker', local)).toContain('--network host');
  });
});

describe('the command', () => {
  const pool = usePool({ publicUrl: 'https://pool.example.org' });
  const call = (...args: string[]) =>
    rmaHere([...args, '--url', pool.coordinator.http, '--token', pool.coordinator.token('admin')]);

  it('makes a token for one machine and one hour, and prints every form with the public address', async () => {
    const { status, out, err } = await call('join-command');
    expect({ status, err }).toEqual({ status: 0, err: expect.stringMatching(/admits one machine until .*revoke t-/) });
    for (const title of ['# Docker', '# Node.js', '# A systemd service']) expect(out).toContain(title);
    expect(out).toMatch(/npx --yes https:\/\/pool\.example\.org\/agent-0\.0\.0test-[0-9a-f]{12}\.tgz --url/);
    expect(out).not.toContain(pool.coordinator.http);
    const tokens = JSON.parse((await call('token', 'list', '--json')).out) as TokenView[];
    const made = tokens.find(({ name }) => name === 'join-command');
    expect(made).toMatchObject({ role: 'join', usesLeft: 1 });
    expect((made?.expiresAt ?? 0) - (made?.createdAt ?? 0)).toBeGreaterThan(3_590_000);
    expect((made?.expiresAt ?? 0) - (made?.createdAt ?? 0)).toBeLessThan(3_610_000);
  });

  it('prints one form alone on one line, for a pipe', async () => {
    const { out } = await call('join-command', '--docker', '--uses', '20', '--expires', '7d', '--image', 'r/w:1');
    expect(out.trim().split('\n')).toHaveLength(1);
    expect(out).toMatch(/^docker run .* r\/w:1\n$/);
  });

  it('refuses a name that a shell cannot pass on before it makes a token', async () => {
    const count = async () => (JSON.parse((await call('token', 'list', '--json')).out) as TokenView[]).length;
    const before = await count();
    const { status, err } = await call('join-command', '--powershell', '--name', '100%');
    expect({ status, err }).toEqual({ status: 2, err: expect.stringContaining('--name') });
    expect(await count()).toBe(before);
  });

  it('is for admins', async () => {
    const { status, err } = await rmaHere([
      'join-command',
      ...['--url', pool.coordinator.http, '--token', pool.coordinator.token('client')],
    ]);
    expect({ status, err }).toEqual({ status: 1, err: expect.stringMatching(/admin/) });
  });
});
