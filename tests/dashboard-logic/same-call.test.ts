/** The same call as a command, code and curl: quoted so that a shell parses exactly the intended words. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AttachedFile, type Call, editable, freeName, inputOf, parseInput } from '../../dashboard/src/lib/try/call.js';
import { codeOf, commandOf, curlOf, isTooLargeForHttp } from '../../dashboard/src/lib/try/same-call.js';

const URL_ = 'http://127.0.0.1:8080';
const HOSTILE = `it's "quoted" $(touch /tmp/never) \`id\` \\ %s !x \n second line <img onerror=1> \u202e`;
const call = (input: unknown, options: Call['options'] = {}, kind = 'echo'): Call => ({ kind, input, options });

/** Runs a line in sh where `rma` and `curl` tell what they were given: one JSON of arguments and standard input. */
function heard(line: string, directory: string): { args: string[]; stdin: string } {
  const tell =
    'const a=process.argv.slice(1);const i=a.some((w)=>w==="-"||w==="@-")?require("fs").readFileSync(0,"utf8"):"";' +
    'process.stdout.write(JSON.stringify({args:a,stdin:i}))';
  const functions = ['rma', 'curl'].map((name) => `${name}() { "$NODE" -e '${tell}' -- "$@"; }`).join('\n');
  const env = { ...process.env, NODE: process.execPath, RMA_TOKEN: 'the-token' };
  const script = join(directory, 'script.sh');
  writeFileSync(script, `${functions}\n${line}\n`);
  return JSON.parse(execFileSync('sh', [script], { cwd: directory, env, encoding: 'utf8' }));
}

describe('in a shell', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'rma-same-call-'));
    writeFileSync(join(directory, "a b's.bin"), Buffer.from([0, 1, 2, 255]));
    writeFileSync(join(directory, '-dash.bin'), Buffer.from([7]));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('the command says exactly the input, however hostile', () => {
    const input = { text: HOSTILE, list: [1, null, true, -0.5] };
    const { args } = heard(commandOf(call(input, { priority: -5, maxAttempts: 7 }), URL_), directory);
    expect(args.slice(0, 2)).toEqual(['submit', 'echo']);
    expect(JSON.parse(args[args.indexOf('--input') + 1] ?? '')).toEqual(input);
    expect(args.slice(-5)).toEqual(['--priority', '-5', '--max-attempts', '7', '--wait']);
    const constraints = { tier: 1, labels: { room: "4's" }, trust: 'trusted' as const, minVramMiB: 12_000 };
    expect(heard(commandOf(call(null, { constraints }), URL_), directory).args.slice(2)).toEqual([
      '--tier',
      '1',
      '--min-vram',
      '12000MiB',
      '--label',
      "room=4's",
      '--trusted',
      '--wait',
    ]);
  });

  it('the command names the file and its other fields', () => {
    const file = new AttachedFile("a b's.bin", Uint8Array.of(0, 1, 2, 255));
    const { args } = heard(
      commandOf(call({ language: 'eng', file, name: file.name }, {}, 'ocr.read'), URL_),
      directory,
    );
    expect(args).toEqual(['submit', 'ocr.read', '--file', "a b's.bin", '--input', '{"language":"eng"}', '--wait']);
    const dash = new AttachedFile('-dash.bin', Uint8Array.of(7));
    expect(commandOf(call({ file: dash, name: dash.name }), URL_)).toContain('--file ./-dash.bin');
  });

  it('files deeper in the input go through a pipe, as base64', () => {
    const file = new AttachedFile("a b's.bin", Uint8Array.of(0, 1, 2, 255));
    const { args, stdin } = heard(commandOf(call({ documents: [{ id: HOSTILE, bytes: file }] }), URL_), directory);
    expect(args).toEqual(['submit', 'echo', '--input', '-', '--wait']);
    expect(JSON.parse(stdin)).toEqual({ documents: [{ id: HOSTILE, bytes: { $bytes: 'AAEC/w==' } }] });
  });

  it('curl sends exactly the body, with the token that the variable holds', () => {
    const constraints = { labels: { room: "4's" } };
    const { args } = heard(curlOf(call({ text: HOSTILE }, { constraints }), URL_), directory);
    expect(args).toContain(`${URL_}/api/tasks?wait=60`);
    expect(args).toContain('Authorization: Bearer the-token');
    expect(JSON.parse(args[args.indexOf('--data-binary') + 1] ?? '')).toEqual({
      kind: 'echo',
      input: { text: HOSTILE },
      constraints,
    });
  });

  it('curl takes a file, or a body longer than an argument may be, through a pipe', () => {
    const file = new AttachedFile('-dash.bin', Uint8Array.of(7));
    const { stdin } = heard(curlOf(call({ file }), URL_), directory);
    expect(JSON.parse(stdin)).toEqual({ kind: 'echo', input: { file: { $bytes: 'Bw==' } } });
    const long = heard(curlOf(call({ text: 'x'.repeat(300_000) }), URL_), directory);
    expect(JSON.parse(long.stdin).input.text).toHaveLength(300_000);
    expect(isTooLargeForHttp(call({ file: new AttachedFile('big', new Uint8Array(7_000_000)) }))).toBe(true);
  });
});

describe('the code', () => {
  it('is JavaScript for the same input and options', () => {
    const code = codeOf(call({ text: HOSTILE, 'a-b': [1], raw: Uint8Array.of(1) }, { priority: 3 }), URL_);
    const submit = /client\.submit\(([\s\S]*)\);\nconsole/.exec(code)?.[1] ?? '';
    const [kind, input, options] = new Function('Buffer', `return [${submit}]`)(Buffer);
    expect([kind, options]).toEqual(['echo', { priority: 3 }]);
    expect(input).toEqual({ text: HOSTILE, 'a-b': [1], raw: Buffer.from([1]) });
    expect(code).not.toContain('readFile');
  });

  it('reads files, and says so where the token would go in the clear', () => {
    const code = codeOf(
      call({ file: new AttachedFile('scan "1".png', new Uint8Array(1)) }),
      'http://pool.example:8080',
    );
    expect(code).toContain('file: await readFile("scan \\"1\\".png")');
    expect(code).toContain('insecure: true');
    expect(codeOf(call(null), URL_)).not.toContain('insecure');
  });
});

describe('the input as JSON', () => {
  it('reports line and column of a syntax error', () => {
    const text = '{\n  "a": 1,\n  "b": oops\n}';
    const parsed = parseInput(text, []);
    expect(parsed.ok ? '' : parsed.problem).toMatch(/^Line 3, column 8: /);
    const open = parseInput('{"a": [1, 2', []);
    expect(open.ok ? '' : open.problem).toMatch(/^Line 1, column 12: /);
  });

  it('puts attached files and bytes in their places, and misses those that are not there', () => {
    const file = new AttachedFile('a.bin', Uint8Array.of(9));
    const parsed = parseInput('{"x": {"$file": "a.bin"}, "y": {"$bytes": "AQ=="}}', [file]);
    expect(parsed).toEqual({ ok: true, value: { x: file, y: Uint8Array.of(1) } });
    expect(inputOf(call(parsed.ok ? parsed.value : undefined))).toEqual({ x: Uint8Array.of(9), y: Uint8Array.of(1) });
    expect(parseInput('{"$file": "b"}', [file])).toMatchObject({ ok: false });
    expect(freeName('a.bin', [file])).toBe('a-2.bin');
  });

  it('of a task becomes a text with its bytes as files, and the same input again', () => {
    const input = { a: [Uint8Array.of(1), Uint8Array.of(2)], b: 'x' };
    const { text, files } = editable(input);
    const parsed = parseInput(text, files);
    expect(inputOf(call(parsed.ok ? parsed.value : undefined))).toEqual(input);
  });

  it('nested too deep is refused, not crashed on', () => {
    expect(parseInput(`${'['.repeat(5_000)}${']'.repeat(5_000)}`, [])).toMatchObject({ ok: false });
  });
});
