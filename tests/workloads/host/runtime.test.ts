import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEmbeddedRuntime } from '@rma/workloads/host/embedded-runtime';
import { WORKLOAD_NAMES } from '@rma/workloads/manifests';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { wallLimit } from '../../support/time.js';
import { assertNoHandlerProcessLeft, fixture, Harness, isAlive, untilGone } from './runtime-harness.js';

let harness: Harness | undefined;

async function started(options: Partial<ConstructorParameters<typeof Harness>[0]> = {}): Promise<Harness> {
  harness = new Harness({ workloads: [], handlersFile: fixture('handlers.mjs'), ...options });
  await harness.start();
  return harness;
}

async function ready(options: Parameters<typeof started>[0] = {}): Promise<Harness> {
  const agent = await started(options);
  await agent.until('handlers', 'healthy');
  return agent;
}

afterEach(async () => {
  await harness?.stop();
  harness = undefined;
  await assertNoHandlerProcessLeft();
});

describe('services', () => {
  it('refuses a workload that does not exist, naming those that do', () => {
    expect(() => createEmbeddedRuntime({ workloads: ['ocr', 'telepathy'] })).toThrow(
      `'telepathy'. There are: ${WORKLOAD_NAMES.join(', ')}`,
    );
  });

  it('offers echo at once and others once their process is ready', async () => {
    const agent = await started({ workloads: ['echo', 'ner'] });
    expect(agent.service('echo')).toEqual({
      name: 'echo',
      runtime: 'embedded',
      state: 'healthy',
      kinds: ['echo'],
      slots: 256,
    });
    expect(agent.service('ner')).toMatchObject({ state: 'starting', kinds: ['ner.extract'], slots: 1 });
    await agent.until('ner', 'healthy');
    expect((await agent.until('handlers', 'healthy')).kinds).toContain('test.add');
    expect(agent.states.at(-1)).toBe('healthy,healthy,healthy');
  });

  it('keeps a job that comes while the service starts until its process is ready', async () => {
    const agent = await started({ workloads: ['ner'] });
    expect(agent.service('ner').state).toBe('starting');
    const { entities } = (await agent.output('ner.extract', { text: 'She lives in Totnes.' })) as {
      entities: unknown[];
    };
    expect(entities).toHaveLength(1);
  });

  it('answers a kind that it does not serve with the kinds that it serves', async () => {
    const agent = await started({ workloads: ['echo'] });
    expect(await agent.failure('llm.chat', {})).toMatchObject({
      code: 'kind.unknown',
      message: expect.stringContaining('echo'),
    });
  });

  it('runs jobs of one service side by side up to its slots, and later ones in turn', async () => {
    const agent = await ready({ slots: 2 });
    const first = agent.begin('test.polite', {});
    const second = agent.begin('test.polite', {});
    const third = agent.run('test.add', { a: 1, b: 2 });
    second.execution.cancel();
    expect((await third).outcome).toEqual({ ok: true, output: 3 });
    first.execution.cancel();
    expect((await first.ran).outcome).toMatchObject({ ok: false, error: { code: 'cancelled' } });
  });

  it('reuses its process between tasks', async () => {
    const agent = await ready();
    const pids = [
      await agent.output('test.pid', {}),
      await agent.output('test.pid', {}),
      await agent.output('test.pid', {}),
    ];
    expect(new Set(pids).size).toBe(1);
  });
});

describe('own handlers', () => {
  it('pass input, output, bytes, chunks and progress', async () => {
    const agent = await ready();
    expect(await agent.output('test.add', { a: 2, b: 3 })).toBe(5);
    expect(await agent.output('test.nothing', {})).toBeNull();
    const bytes = (await agent.output('test.bytes', { file: new Uint8Array([1, 2, 3]) })) as { file: Uint8Array };
    expect(bytes.file).toBeInstanceOf(Uint8Array);
    expect([...bytes.file]).toEqual([3, 2, 1]);
    const { outcome, chunks, progress } = await agent.run('test.stream', {});
    expect(outcome).toEqual({ ok: true, output: 'streamed' });
    expect(chunks).toEqual([1, 2, 3, 4, 5].map((n) => ({ n })));
    expect(progress.at(-1)).toEqual([1, 'part 5']);
  });

  it('fail with their own code, or as handler.error', async () => {
    const agent = await ready();
    expect(await agent.failure('test.refuse', {})).toEqual({
      code: 'shop.closed',
      message: 'the shop is closed on Sundays',
      retryable: false,
    });
    expect(await agent.failure('test.throw', {})).toEqual({
      code: 'handler.error',
      message: 'test.throw failed: RangeError: seven is too many',
      retryable: true,
    });
    expect(await agent.failure('test.unsendable', {})).toMatchObject({ code: 'handler.output', retryable: false });
    expect(await agent.output('test.add', { a: 1, b: 1 })).toBe(2);
  });

  it('see nothing of the environment but what they need to run', async () => {
    vi.stubEnv('RMA_TOKEN', 'secret');
    vi.stubEnv('NODE_OPTIONS', '--no-warnings');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
    vi.stubEnv('TZ', 'Europe/London');
    try {
      const agent = await ready();
      const { env, cwd } = (await agent.output('test.environment', {})) as { env: Record<string, string>; cwd: string };
      expect(Object.keys(env).filter((name) => !['PATH', 'HOME', 'TZ', 'LANG'].includes(name))).toEqual([]);
      expect(env.TZ).toBe('Europe/London');
      expect(env.HOME).toBe(cwd);
      expect(existsSync(cwd)).toBe(true);
      await agent.stop();
      expect(existsSync(cwd)).toBe(false);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it.each([
    ['broken-syntax.mjs', /broken-syntax\.mjs:3: SyntaxError: Unexpected token/],
    ['broken-throws.mjs', /broken-throws\.mjs:3:\d+: TypeError: Cannot read/],
    ['broken-shape.mjs', /broken-shape\.mjs: the handler of 'my\.kind' is of type string/],
    ['taken-kind.mjs', /taken-kind\.mjs: 'ocr\.read' is a built-in kind/],
    ['missing.mjs', /missing\.mjs does not exist/],
  ])('in %s leave the service unhealthy, with the reason', async (file, reason) => {
    const agent = await started({ handlersFile: fixture(file), workloads: ['echo'] });
    const status = await agent.until('handlers', 'unhealthy');
    expect(status.reason).toMatch(reason);
    expect(status.kinds).toEqual([]);
    expect(await agent.output('echo', 'still here')).toBe('still here');
  });

  it('become healthy by themselves once their file is repaired', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'rma-test-'));
    const handlersFile = join(directory, 'mine.mjs');
    copyFileSync(fixture('broken-syntax.mjs'), handlersFile);
    try {
      const agent = await started({ handlersFile });
      await agent.until('handlers', 'unhealthy');
      writeFileSync(handlersFile, "export const handlers = { 'my.kind': () => 'repaired' };\n");
      await agent.until('handlers', 'healthy');
      expect(await agent.output('my.kind', {})).toBe('repaired');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('a handler that misbehaves', () => {
  it('is killed when it blocks its process beyond its time, and only its own task fails', async () => {
    const agent = await ready({ slots: 2, workloads: ['echo'] });
    const looping = agent.begin('test.loop', {}, 400);
    const other = agent.run('test.add', { a: 20, b: 22 });
    expect((await other).outcome).toEqual({ ok: true, output: 42 });
    expect((await looping.ran).outcome).toMatchObject({ ok: false, error: { code: 'timeout', retryable: true } });
    expect(await agent.output('test.add', { a: 1, b: 2 })).toBe(3);
    expect(agent.service('handlers').state).toBe('healthy');
  });

  it('is killed within a second and a half of a cancel that it ignores', async () => {
    const agent = await ready();
    const pid = (await agent.output('test.pid', {})) as number;
    const deaf = agent.begin('test.deaf', {});
    const from = performance.now();
    deaf.execution.cancel();
    expect((await deaf.ran).outcome).toMatchObject({ ok: false, error: { code: 'cancelled', retryable: false } });
    expect(performance.now() - from).toBeLessThan(wallLimit(2_500));
    await untilGone(pid);
  });

  it('keeps its process when it heeds a cancel', async () => {
    const agent = await ready();
    const pid = await agent.output('test.pid', {});
    const polite = agent.begin('test.polite', {});
    polite.execution.cancel();
    expect((await polite.ran).outcome).toMatchObject({ ok: false, error: { code: 'cancelled' } });
    polite.execution.cancel();
    expect(await agent.output('test.pid', {})).toBe(pid);
  });

  it('is killed when it swells, inside or outside of the JavaScript heap', async () => {
    const agent = await ready({ memoryMiB: { handlers: 200 } });
    expect(await agent.failure('test.swell', {})).toMatchObject({
      code: 'memory',
      message: expect.stringContaining('200 MiB'),
    });
    expect(await agent.failure('test.heap', {})).toMatchObject({ code: 'memory' });
    expect(await agent.output('test.add', { a: 1, b: 2 })).toBe(3);
  });

  it('fails alone when it crashes, with how it ended', async () => {
    const agent = await ready();
    expect(await agent.failure('test.exit', {})).toMatchObject({
      code: 'crashed',
      message: expect.stringContaining('exit status 3'),
      retryable: true,
    });
    expect(await agent.output('test.add', { a: 1, b: 2 })).toBe(3);
    expect(await agent.failure('test.killed', {})).toMatchObject({
      code: 'crashed',
      message: expect.stringContaining('SIGSEGV'),
    });
    expect(await agent.output('test.add', { a: 1, b: 2 })).toBe(3);
  });

  it('takes the service down when it crashes again and again, which then recovers', async () => {
    const agent = await ready();
    await agent.failure('test.exit', {});
    await agent.failure('test.exit', {});
    expect(await agent.until('handlers', 'unhealthy')).toMatchObject({
      reason: expect.stringContaining('exit status 3'),
    });
    expect(await agent.failure('test.add', { a: 1, b: 2 })).toMatchObject({
      code: 'service.unavailable',
      retryable: true,
    });
    await agent.until('handlers', 'healthy');
    expect(await agent.output('test.add', { a: 1, b: 2 })).toBe(3);
  });

  it('may throw after its answer: the next task still runs', async () => {
    const agent = await ready();
    const pid = (await agent.output('test.pid', {})) as number;
    expect(await agent.output('test.late', {})).toBe('answered');
    await untilGone(pid);
    expect(await agent.output('test.add', { a: 1, b: 2 })).toBe(3);
    expect(agent.warnings.join()).toContain('thrown after the answer');
  });

  it('may write garbage to the agent: it is ignored', async () => {
    const agent = await ready();
    expect(await agent.output('test.garbage', {})).toBe('sent garbage');
  });

  it('takes along what it started when it is killed', async () => {
    const agent = await ready();
    const job = agent.begin('test.child', {});
    await vi.waitFor(() => expect(job.chunks).toHaveLength(1), { timeout: 10_000 });
    const { pid } = job.chunks[0] as { pid: number };
    expect(isAlive(pid)).toBe(true);
    job.execution.cancel();
    await job.ran;
    await untilGone(pid);
  });
});

describe('stop', () => {
  it('ends running and waiting jobs as retryable, and every process', async () => {
    const agent = await ready();
    const pid = (await agent.output('test.pid', {})) as number;
    const running = agent.begin('test.loop', {});
    const waiting = agent.begin('test.add', { a: 1, b: 2 });
    await agent.stop();
    for (const { ran } of [running, waiting]) {
      expect((await ran).outcome).toMatchObject({ ok: false, error: { code: 'cancelled', retryable: true } });
    }
    await untilGone(pid);
    expect(agent.service('handlers').state).toBe('stopped');
    expect(await agent.failure('test.add', { a: 1, b: 2 })).toMatchObject({ code: 'service.unavailable' });
  });

  it('works while services still start', async () => {
    const agent = await started({ workloads: ['echo', 'ner', 'document'] });
    await agent.stop();
    expect(agent.runtime.services().map((service) => service.state)).toEqual([
      'stopped',
      'stopped',
      'stopped',
      'stopped',
    ]);
  });
});

it('gives handler processes up first when the machine runs out of memory', async () => {
  const agent = await ready();
  const pid = (await agent.output('test.pid', {})) as number;
  if (process.platform === 'linux') expect(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim()).toBe('900');
});
