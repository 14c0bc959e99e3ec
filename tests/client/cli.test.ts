/** The `rma` command: what it prints, what it refuses, and how it ends. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Answers, EchoPeer } from './support/echo-peer.js';
import { PoolPeer, succeeded } from './support/pool-peer.js';
import { endAll, rma, rmaHere, start } from './support/rma.js';

let directory: string;
let peer: EchoPeer | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rma-test-'));
});

afterEach(async () => {
  endAll();
  await peer?.stop();
  peer = undefined;
  await rm(directory, { recursive: true, force: true });
});

async function serve(answers: Partial<Answers> = {}): Promise<string[]> {
  peer = await EchoPeer.start(answers);
  return ['--url', peer.url, '--token', 'a token'];
}

const path = (name: string) => join(directory, name);
const jsonLines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('usage errors end with status 2', () => {
  it.each([
    [['no-such-command'], /unknown command/],
    [['submit'], /no kind given/],
    [['submit', 'Not A Kind', '--token', 'x'], /kind/],
    [['submit', 'echo', '--input', '{broken', '--token', 'x'], /--input is not JSON/],
    [['submit', 'echo', '--timeout', '30', '--token', 'x'], /not a duration/],
    [['submit', 'echo', '--priority', '101'], /-100 to 100/],
    [['submit', 'echo', '--min-vram', '16'], /with its unit, such as 16GiB/],
    [['submit', 'echo', '--label', 'region'], /KEY=VALUE/],
    [['submit', 'echo', '--label', '=eu'], /KEY=VALUE/],
    [['submit', 'echo', '--label', 'a b=c', '--token', 'x'], /labels/],
    [['submit', 'echo', '--tier', '4'], /the tiers are 1, 2 and 3/],
    [['submit', 'echo', '--worker', 'attic', '--token', 'x'], /constraints\/worker/],
    [['submit', 'ocr.read', '--file', '/no/such/file.png', '--token', 'x'], /no such file/],
    [['submit', '--batch', '/no/such/jobs.jsonl', '--token', 'x'], /no such file/],
    [['worker', 'pin', 'w-1', '--tier', '9'], /Allowed choices are 1, 2, 3/],
    [['worker', 'pin', 'w-1'], /--tier 1, 2 or 3, or --auto/],
    [['token', 'create', '--role', 'king'], /Allowed choices/],
    [['token', 'create', '--role', 'client', '--uses', '2', '--token', 'x'], /for tokens of the role join/],
    [['stats', '--url', 'http://192.0.2.1:8080', '--token', 'x'], /not encrypted.*--insecure/],
    [['stats', '--url', 'nonsense', '--token', 'x'], /not a URL/],
    [['stats'], /no token: give --token, set RMA_TOKEN, or .*RMA_DATA/],
    [['stats', '--token', ''], /is empty/],
  ])('rma %j', async (args, message) => {
    const { status, out, err } = await rmaHere(args, { RMA_DATA: directory });
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(message);
  });
});

it('ends its process with the status, and standard output holds results alone', async () => {
  const wrong = await rma(['stats'], { cwd: directory });
  expect(wrong).toMatchObject({ status: 2, out: '', err: expect.stringMatching(/no token: .*data\/admin\.token/) });
  const refused = await rma(['submit', 'unknown', ...(await serve())]);
  expect(refused).toMatchObject({ status: 1, out: '', err: expect.stringContaining('unknown_kind') });
});

it('finds the admin token in the data directory', async () => {
  const connected = await PoolPeer.start();
  try {
    await mkdir(path('data'));
    await writeFile(path('data/admin.token'), 'from the file\n');
    const run = start(['stats', '--url', connected.url], { cwd: directory });
    const session = await connected.connection();
    expect((await session.next('hello')).token).toBe('from the file');
    run.process.kill();
    await run.ended;
  } finally {
    await connected.stop();
  }
});

it('gives up after 10 s where nobody listens, with the reason and the remedy', async () => {
  const gone = await PoolPeer.start();
  const { url } = gone;
  await gone.stop();
  const began = performance.now();
  const { status, err } = await rma(['stats', '--url', url, '--token', 'x']);
  expect(status).toBe(1);
  expect(err).toContain(`cannot reach the coordinator at ${url}`);
  expect(err).toMatch(/ECONNREFUSED.*\n.*npm start.*--url/);
  const seconds = (performance.now() - began) / 1_000;
  expect(seconds).toBeGreaterThan(8);
  expect(seconds).toBeLessThan(20);
});

it('says where a wrong token came from', async () => {
  const strict = await PoolPeer.start();
  try {
    const run = start(['tasks', '--url', strict.url], { env: { RMA_TOKEN: 'wrong' } });
    const session = await strict.connection();
    await session.next('hello');
    session.send({ type: 'error', error: { kind: 'unauthenticated', message: 'this token is not valid here' } });
    session.close(4401);
    const { status, err } = await run.ended;
    expect(status).toBe(1);
    expect(err).toMatch(/not valid here\nThe token came from RMA_TOKEN/);
  } finally {
    await strict.stop();
  }
});

describe('submit', () => {
  it('prints the id without --wait', async () => {
    const { status, out } = await rmaHere(['submit', 'echo', '--input', '{"a":1}', ...(await serve())]);
    expect(status).toBe(0);
    expect(out.trim()).toBe(peer?.submits[0]?.id);
  });

  it('says where the task may run', async () => {
    const options = ['--tier', '2', '--model', 'qwen3-8b', '--min-vram', '11.5GiB', '--trusted', '--worker', 'w-abcd'];
    const labels = ['--label', 'region=eu', '--label', 'rack=3=b'];
    expect((await rmaHere(['submit', 'echo', ...options, ...labels, ...(await serve())])).status).toBe(0);
    expect(peer?.submits[0]?.constraints).toEqual({
      tier: 2,
      model: 'qwen3-8b',
      minVramMiB: 11_776,
      trust: 'trusted',
      worker: 'w-abcd',
      labels: { region: 'eu', rack: '3=b' },
    });
  });

  it('prints the text of a result with --wait, and its status on standard error', async () => {
    const answers = await serve({ end: ({ id }) => succeeded(id, { text: 'Dear Ada,\nhello', pages: [] }) });
    await writeFile(path('letter.png'), Buffer.from([1, 2, 3]));
    const { status, out, err } = await rmaHere([
      'submit',
      'ocr.read',
      '--file',
      path('letter.png'),
      '--wait',
      ...answers,
    ]);
    expect({ status, out }).toEqual({ status: 0, out: 'Dear Ada,\nhello\n' });
    expect(err).toMatch(/succeeded on w-test1 in 300 ms/);
  });

  it('sends a file as bytes and name, merged with --input', async () => {
    let got: unknown;
    const options = await serve({
      end: ({ id }, input) => {
        got = input;
        return succeeded(id, null);
      },
    });
    await writeFile(path('a.pdf'), 'PDF');
    await rmaHere(['submit', 'x', '--file', path('a.pdf'), '--input', '{"pages":[1]}', '--wait', ...options]);
    expect(got).toEqual({ pages: [1], file: Buffer.from('PDF'), name: 'a.pdf' });
  });

  it('prints entities as a table and vectors as a summary', async () => {
    const entities = [{ type: 'date', text: '1 May 2025', start: 3, end: 13, normal: '2025-05-01' }];
    const options = await serve({
      end: ({ id, kind }) =>
        succeeded(
          id,
          kind === 'ner.extract' ? { entities } : { model: 'm', dimensions: 8, vectors: [[0.5, 1, 0, 0, 0, 0, 0, 0]] },
        ),
    });
    const ner = await rmaHere(['submit', 'ner.extract', '--input', '{"text":"on 1 May 2025"}', '--wait', ...options]);
    expect(ner.out).toBe('TYPE  TEXT        AT    NORMAL FORM\ndate  1 May 2025  3-13  2025-05-01\n');
    const embed = await rmaHere(['submit', 'text.embed', '--input', '{"text":"x"}', '--wait', ...options]);
    expect(embed.out).toBe('vector 1: 8 dimensions (m): 0.5000 1.0000 0.0000 0.0000 0.0000 0.0000 …\n');
  });

  it('prints one object with --wait --json, bytes as $bytes', async () => {
    const options = await serve();
    const { out } = await rmaHere([
      'submit',
      'echo',
      '--input',
      '{"b":{"$bytes":"AQI="}}',
      '--wait',
      '--json',
      ...options,
    ]);
    expect(JSON.parse(out)).toEqual({
      id: peer?.submits[0]?.id,
      kind: 'echo',
      state: 'succeeded',
      output: { b: { $bytes: 'AQI=' } },
      error: null,
      worker: 'w-test1',
      attempts: 1,
      timings: { queuedMs: 200, runMs: 300, totalMs: 500 },
    });
  });

  it('ends with 1 where the task failed, and where it was refused', async () => {
    const error = { code: 'input.damaged', message: 'the image is cut off' };
    const options = await serve({ end: ({ id }) => ({ ...succeeded(id, null), state: 'failed', error }) });
    const failed = await rmaHere(['submit', 'ocr.read', '--wait', ...options]);
    expect(failed).toMatchObject({ status: 1, out: '' });
    expect(failed.err).toMatch(/failed .*the image is cut off \(input\.damaged\)/);
    const refused = await rmaHere(['submit', 'unknown', ...options]);
    expect(refused).toMatchObject({ status: 1, out: '' });
    expect(refused.err).toMatch(/no worker offers it \(unknown_kind\)/);
  });

  it('prints one line for each of many files', async () => {
    const options = await serve({
      end: ({ id }, input) => {
        const { name } = input as { name: string };
        const failed = {
          ...succeeded(id, null),
          state: 'failed' as const,
          error: { code: 'c', message: 'bad\u001b[31m' },
        };
        return name === 'b.png' ? failed : succeeded(id, { text: `text of ${name}` });
      },
    });
    const files = ['a.png', 'b.png', 'c.png'].map(path);
    for (const file of files) await writeFile(file, 'x');
    const { status, out } = await rmaHere(['submit', 'ocr.read', '--file', ...files, '--wait', ...options]);
    expect(status).toBe(1);
    expect(out.trim().split('\n').sort()).toEqual([
      `${files[0]}  succeeded  text of a.png`,
      `${files[1]}  failed  bad\\u001b[31m (c)`,
      `${files[2]}  succeeded  text of c.png`,
    ]);
  });

  it('leaves the task running at Ctrl-C and says how to find it', async () => {
    const run = start(['submit', 'echo', '--wait', ...(await serve({ end: () => undefined }))]);
    while (peer?.submits.length === 0) await new Promise((resolve) => setImmediate(resolve));
    run.process.kill('SIGINT');
    const { status, err } = await run.ended;
    expect(status).toBe(130);
    expect(err).toContain('rma cancel');
  });
});

describe('submit --batch', () => {
  const lines = (count: number) =>
    Array.from({ length: count }, (_, n) => JSON.stringify({ kind: 'echo', input: { n } }));

  it('prints a result a line with its index, and survives restarts of the coordinator', async () => {
    let ended = 0;
    const options = await serve({
      end: ({ id }, input) => {
        ended += 1;
        return succeeded(id, input);
      },
    });
    await writeFile(path('jobs.jsonl'), `${lines(2_000).join('\n')}\n`);
    const run = start(['submit', '--batch', path('jobs.jsonl'), '--wait', '--json', ...options]);
    for (const mark of [300, 1_000]) {
      while (ended < mark) await new Promise((resolve) => setImmediate(resolve));
      await peer?.restart();
    }
    const { status, out } = await run.ended;
    expect(status).toBe(0);
    const results = jsonLines(out);
    expect(results).toHaveLength(2_000);
    expect(new Set(results.map(({ index }) => index)).size).toBe(2_000);
    for (const { index, output, state } of results)
      expect({ output, state }).toEqual({ output: { n: index }, state: 'succeeded' });
  });

  it('gives every line the constraints of the command line, unless it has its own', async () => {
    const lines = '{"kind":"a"}\n{"kind":"b","constraints":{"worker":"w-abcd"}}\n';
    const args = ['submit', '--batch', '-', '--min-vram', '512MiB', '--wait', ...(await serve())];
    expect((await rma(args, { stdin: lines })).status).toBe(0);
    expect(peer?.submits.map(({ constraints }) => constraints)).toEqual([{ minVramMiB: 512 }, { worker: 'w-abcd' }]);
  });

  it('reads standard input, skips empty lines and takes the kind from the command line', async () => {
    const options = await serve();
    const stdin = '{"input":1}\n\n{"kind":"unknown"}\n';
    const { status, out } = await rma(['submit', 'echo', '--batch', '-', '--wait', '--json', ...options], { stdin });
    expect(status).toBe(1);
    expect(jsonLines(out).sort((a, b) => a.index - b.index)).toMatchObject([
      { index: 0, kind: 'echo', state: 'succeeded', output: 1 },
      { index: 2, kind: 'unknown', state: 'refused', error: { code: 'unknown_kind' } },
    ]);
  });

  it.each([
    ['{"kind":"echo"', /line 3 of the batch: .*JSON/],
    ['{"kind":"echo","prioriy":1}', /line 3 of the batch: unknown field 'prioriy'/],
    ['{"kind":"echo","priority":"high"}', /line 3 of the batch: .*priority/],
    ['[1]', /line 3 of the batch: expected an object/],
    ['{"input":1}', /line 3 of the batch: `kind` is missing/],
  ])('submits nothing where a line is %s', async (line, message) => {
    const options = await serve();
    await writeFile(path('jobs.jsonl'), [...lines(2), line, ...lines(1)].join('\n'));
    const { status, err } = await rmaHere(['submit', '--batch', path('jobs.jsonl'), '--wait', ...options]);
    expect(status).toBe(2);
    expect(err).toMatch(message);
    expect(peer?.submits).toEqual([]);
  });
});

describe('questions', () => {
  const worker = {
    id: 'w-test1',
    name: 'evil\u001b]0;owned\u0007\u202egnp',
    state: 'online',
    tier: 2,
    pinned: false,
    reasons: ['tier 2: no NVIDIA GPU'],
    trust: 'trusted',
    labels: {},
    services: [{ name: 'ocr', runtime: 'embedded', state: 'healthy', kinds: ['ocr.read'], slots: 2 }],
    running: 1,
    load: { cpu: 0.5, memoryUsedMiB: 2_048, gpus: [] },
    joinedAt: 1,
    lastSeenAt: 1,
  };

  it('shows workers with tier, reasons, services and load, and hostile names as escapes', async () => {
    const { status, out } = await rmaHere(['workers', ...(await serve({ reply: () => [worker] }))]);
    expect(status).toBe(0);
    expect(out).toContain('evil\\u001b]0;owned\\u0007\\u202egnp');
    expect(out).toMatch(/tier 2 .*1\/2 .*cpu 50 %, memory 2\.0 GiB/);
    expect(out).toContain('reason   tier 2: no NVIDIA GPU');
    expect(out).toMatch(/service {2}healthy {2}ocr \(embedded, 2 slots\): ocr\.read/);
  });

  it("shows a worker's agent version, where it is known", async () => {
    const agentVersion = 'rma-worker\u001b]0;owned\u0007 0.1.0';
    const options = await serve({
      reply: () => [
        { ...worker, agentVersion },
        { ...worker, id: 'w-test2' },
      ],
    });
    const known = await rmaHere(['worker', 'show', 'w-test1', ...options]);
    expect(known.out).toContain('agent    rma-worker\\u001b]0;owned\\u0007 0.1.0\n');
    expect(JSON.parse((await rmaHere(['worker', 'show', 'w-test1', '--json', ...options])).out)).toMatchObject({
      agentVersion,
    });
    expect((await rmaHere(['worker', 'show', 'w-test2', ...options])).out).not.toMatch(/^agent/m);
  });

  it('shows the kinds as a table, and with --json as they are', async () => {
    const kinds = [
      { kind: 'echo', queued: 0, running: 0, workers: 0 },
      { kind: 'ocr.read', queued: 12, running: 3, workers: 2, meanRunMs: 1_250 },
    ];
    const server = await serve({ reply: () => kinds });
    expect(await rmaHere(['kinds', ...server])).toEqual({
      status: 0,
      out: [
        'KIND      QUEUED  RUNNING  WORKERS  MEAN RUN',
        'echo      0       0        0',
        'ocr.read  12      3        2        1.3 s',
        '',
      ].join('\n'),
      err: '',
    });
    expect(JSON.parse((await rmaHere(['kinds', '--json', ...server])).out)).toEqual(kinds);
  });

  it('ends with 1 for a worker or task that is not there', async () => {
    const options = await serve({ reply: ({ type }) => (type === 'query' ? new Error('no task has this id') : null) });
    const task = await rmaHere(['task', '0198a3c2-5b7e-7c41-9d55-0a1b2c3d4e5f', ...options]);
    expect(task).toMatchObject({ status: 1, out: '' });
    expect(task.err).toContain('no task has this id');
    await peer?.stop();
    const shown = await rmaHere(['worker', 'show', 'w-none', ...(await serve({ reply: () => [worker] }))]);
    expect(shown.status).toBe(1);
    expect(shown.err).toContain("there is no worker 'w-none'");
  });

  it('pins a tier', async () => {
    const acts: unknown[] = [];
    const options = await serve({
      reply: (message) => {
        acts.push(message.type === 'act' ? message.action : undefined);
        return { ...worker, name: 'x', pinned: true };
      },
    });
    expect((await rmaHere(['worker', 'pin', 'w-test1', '--tier', '2', ...options])).out).toBe(
      'w-test1: tier 2 (pinned)\n',
    );
    await rmaHere(['worker', 'pin', 'w-test1', '--auto', ...options]);
    expect(acts).toEqual([
      { do: 'worker.pin', worker: 'w-test1', tier: 2 },
      { do: 'worker.pin', worker: 'w-test1', tier: null },
    ]);
  });

  it('prints a new token alone on standard output', async () => {
    const made = { token: 'eyJ.x.y', view: { id: 't-1', role: 'client', name: 'web', subject: 's', createdAt: 1 } };
    const options = await serve({ reply: () => made });
    const { status, out, err } = await rmaHere(['token', 'create', '--role', 'client', '--expires', '30d', ...options]);
    expect({ status, out }).toEqual({ status: 0, out: 'eyJ.x.y\n' });
    expect(err).toContain('rma token revoke t-1');
  });

  it('cancels', async () => {
    const id = '0198a3c2-5b7e-7c41-9d55-0a1b2c3d4e5f';
    expect(await rmaHere(['cancel', id, ...(await serve())])).toMatchObject({ status: 0, out: `${id} cancelled\n` });
  });

  it('prints the kinds again with every change, and ends with 0 when Ctrl-C leaves `kinds --follow`', async () => {
    const connected = await PoolPeer.start();
    try {
      const run = start(['kinds', '--follow', '--json', '--url', connected.url, '--token', 'x']);
      const session = await connected.session('client');
      const { ref, topic } = await session.next('subscribe');
      expect(topic).toBe('kinds');
      const key = 'kinds';
      const echo = { kind: 'echo', queued: 0, running: 0, workers: 0 };
      session.send({ type: 'reply', ref, result: { key } });
      session.send({ type: 'kinds', key, snapshot: true, kinds: [echo] });
      await run.says(`${JSON.stringify([echo])}\n`);
      session.send({ type: 'kinds', key, kinds: [{ ...echo, queued: 7 }] });
      await run.says('"queued":7');
      run.process.kill('SIGINT');
      expect((await run.ended).status).toBe(0);
    } finally {
      await connected.stop();
    }
  });

  it('ends with 0 when Ctrl-C leaves `events --follow`', async () => {
    const connected = await PoolPeer.start();
    try {
      const run = start(['events', '--follow', '--json', '--url', connected.url, '--token', 'x']);
      const session = await connected.session('admin');
      const { ref } = await session.next('subscribe');
      session.send({ type: 'reply', ref, result: { last: 4 } });
      session.send({ type: 'events', events: [{ seq: 5, at: 1, type: 'storage.full' }] });
      await run.says('"seq":5');
      run.process.kill('SIGINT');
      expect((await run.ended).status).toBe(0);
    } finally {
      await connected.stop();
    }
  });
});
