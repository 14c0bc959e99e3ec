/** `container.run` on a real engine: files in and out, the log as it is written, every limit, and clean-up. */
import { removeJobs } from '@rma/agent/docker/clean-up';
import type { ContainerRunOutput } from '@rma/agent/docker/job';
import { JobRuntime, type JobRuntimeLimits } from '@rma/agent/docker/job-runtime';
import { ofJobs } from '@rma/agent/docker/labels';
import type { Execution, Failure, Outcome } from '@rma/workloads/runtime';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { needs } from '../support/needs.js';
import { wallLimit } from '../support/time.js';
import { docker, useDocker } from './support/fixture.js';

const IMAGE = 'debian:trixie-slim';

describe('container.run', { ...needs('docker'), timeout: 90_000 }, () => {
  const fixture = useDocker();
  const runtimes: JobRuntime[] = [];

  async function jobs(options: Partial<JobRuntimeLimits> = {}): Promise<JobRuntime> {
    const host = await fixture.host();
    const limits = { images: [IMAGE, 'no-such-*'], slots: 2, maxMemoryMiB: 1_024, maxCores: 2, gpu: false, ...options };
    const runtime = new JobRuntime({ host, limits: () => limits });
    await runtime.start(() => undefined);
    runtimes.push(runtime);
    return runtime;
  }

  /** Runs a task and collects its chunks. */
  function run(
    runtime: JobRuntime,
    input: object,
    timeoutMs = 60_000,
  ): { chunks: { stream: string; text: string }[]; execution: Execution } {
    const chunks: { stream: string; text: string }[] = [];
    const execution = runtime.execute(
      { kind: 'container.run', input: { image: IMAGE, ...input }, timeoutMs },
      { progress: () => undefined, chunk: (chunk) => chunks.push(chunk as { stream: string; text: string }) },
    );
    return { chunks, execution };
  }

  async function output(runtime: JobRuntime, input: object): Promise<ContainerRunOutput> {
    const outcome = await run(runtime, input).execution.done;
    if (!outcome.ok) throw new Error(`${outcome.error.code}: ${outcome.error.message}`);
    return outcome.output as ContainerRunOutput;
  }

  const failure = (outcome: Outcome): Failure => {
    if (outcome.ok) throw new Error(`it succeeded: ${JSON.stringify(outcome.output)}`);
    return outcome.error;
  };
  const sh = (script: string) => ({ command: ['sh', '-c', script] });

  afterEach(async () => {
    await Promise.all(runtimes.splice(0).map((runtime) => runtime.stop()));
    expect(await fixture.engine.containers.list(ofJobs(fixture.agent))).toEqual([]);
    expect(await fixture.engine.volumes.list(ofJobs(fixture.agent))).toEqual([]);
  });

  it('takes files in, runs, and gives files, exit code and log out', async () => {
    const result = await output(await jobs(), {
      ...sh(
        'cat in/a.txt b.bin; mkdir -p out/deep; tr a-z A-Z <in/a.txt >out/deep/up.txt; echo no >other; echo done >&2; exit 3',
      ),
      env: { GREETING: 'hello' },
      files: [
        { path: 'in/a.txt', content: 'text ä\n' },
        { path: 'b.bin', content: new Uint8Array([0x7a, 0x0a]) },
      ],
      outputs: ['out/**', 'nothing-of-this-name'],
    });
    expect(result).toMatchObject({ exitCode: 3, oomKilled: false });
    expect(result.files.map(({ path, content }) => [path, Buffer.from(content).toString()])).toEqual([
      ['out/deep/up.txt', 'TEXT ä\n'],
    ]);
    expect(result.log).toBe('text ä\nz\ndone\n');
    expect(result.durationMs).toBeGreaterThan(0);
  });

  it('tells the log while it runs', async () => {
    const { chunks, execution } = run(await jobs(), sh('echo first; sleep 30'));
    await vi.waitFor(() => expect(chunks).toEqual([{ stream: 'stdout', text: 'first\n' }]), { timeout: 20_000 });
    execution.cancel();
    expect(failure(await execution.done).code).toBe('cancelled');
  });

  it('runs as nobody, without network, capabilities or a writable root', async () => {
    const { log } = await output(await jobs(), {
      ...sh(
        'id -u; ls /sys/class/net; grep -E "CapEff|NoNewPrivs" /proc/self/status; touch /etc/x 2>&1; touch /tmp/x && echo tmp; touch y && echo here; ls -d /var/run/docker.sock 2>&1',
      ),
    });
    const lines = log.split('\n');
    expect(lines.slice(0, 2)).toEqual(['65534', 'lo']);
    expect(log).toMatch(/CapEff:\s+0000000000000000/);
    expect(log).toMatch(/NoNewPrivs:\s+1/);
    expect(log).toMatch(/touch: cannot touch '\/etc\/x': Read-only file system/);
    expect(log).toMatch(/tmp\nhere\n/);
    expect(log).toMatch(/cannot access '\/var\/run\/docker.sock'/);
  });

  it('kills what takes more memory than it was given, and says so', async () => {
    const hungry = { ...sh('head -c 200m /dev/zero | tail -c 200m >/dev/null; exit $?'), memoryMiB: 32 };
    const result = await output(await jobs(), hungry);
    expect(result.exitCode).not.toBe(0);
    const checked = await run(await jobs(), { ...hungry, check: true }).execution.done;
    expect(['memory', 'container.exit']).toContain(failure(checked).code);
  });

  it('does not let it fork without end', async () => {
    const { log } = await output(await jobs(), {
      ...sh('for i in $(seq 400); do sleep 4 & done 2>&1 | tail -n 1; echo over'),
    });
    expect(log).toMatch(/[Ff]ork|Resource temporarily unavailable/);
  });

  it("kills it at its own limit, and at the task's", async () => {
    const runtime = await jobs();
    const own = failure(await run(runtime, { ...sh('sleep 100'), timeoutSeconds: 0.5 }).execution.done);
    expect(own).toMatchObject({ code: 'timeout', retryable: false });
    expect(own.message).toMatch(/longer than its 0.5 s/);
    const task = failure(await run(runtime, sh('sleep 100'), 1_500).execution.done);
    expect(task.code).toBe('timeout');
  });

  it('is gone within a second after a cancel', async () => {
    const { chunks, execution } = run(await jobs(), sh('trap "" TERM; echo up; sleep 100'));
    await vi.waitFor(() => expect(chunks.length).toBe(1), { timeout: 20_000 });
    const [container = ''] = (await fixture.engine.containers.list(ofJobs(fixture.agent))).map(({ id }) => id);
    const at = performance.now();
    execution.cancel();
    await vi.waitFor(
      async () => expect((await fixture.engine.containers.inspect(container))?.running ?? false).toBe(false),
      {
        timeout: 5_000,
        interval: 20,
      },
    );
    expect(performance.now() - at).toBeLessThan(wallLimit(1_000));
    expect(failure(await execution.done).code).toBe('cancelled');
  });

  it('fails the task for an exit code only where `check` asks for it', async () => {
    const failed = failure(
      await run(await jobs(), { ...sh('echo broken input >&2; exit 4'), check: true }).execution.done,
    );
    expect(failed).toEqual({
      code: 'container.exit',
      message: 'the container exited with 4: broken input',
      retryable: false,
    });
  });

  it.each([
    [{ image: 'alpine:3' }, 'image.not_allowed', /does not run the image alpine:3; it runs debian:trixie-slim/],
    [{ memoryMiB: 100_000 }, 'resources.too_much', /memoryMiB 100000 is more than the 1024/],
    [{ gpu: true }, 'resources.too_much', /lends no GPU/],
    [{ network: true }, 'input.invalid', /no network/],
    [{ files: [{ path: '../x', content: 'x' }] }, 'input.invalid', /files\/0\/path/],
    [{ files: [{ path: 'x', content: 7 }] }, 'input.invalid', /content of 'x'/],
    [{ command: 'ls' }, 'input.invalid', /command/],
    [{ image: 'no-such-image:1' }, 'image.unavailable', /no-such-image:1/],
    [{ command: ['no-such-program'] }, 'container.start', /its command cannot be run/],
  ])('refuses %j', async (input, code, message) => {
    const refused = failure(await run(await jobs(), { ...sh('true'), ...input }).execution.done);
    expect(refused.code).toBe(code);
    expect(refused.message).toMatch(message);
  });

  it('refuses outputs above its limit rather than cutting them', async () => {
    const large = run(await jobs(), { ...sh('head -c 60000000 /dev/zero >big'), outputs: ['big'] });
    expect(failure(await large.execution.done)).toMatchObject({ code: 'output.too_large', retryable: false });
  });

  it('leaves nothing of a killed agent after the next start', async () => {
    const { chunks, execution } = run(await jobs(), sh('echo up; sleep 100'));
    await vi.waitFor(() => expect(chunks.length).toBe(1), { timeout: 20_000 });
    expect(docker('ps', '-q', '--filter', `label=rma.agent=${fixture.agent}`)).not.toBe('');
    expect(await removeJobs(fixture.engine, fixture.agent)).toBe(1);
    await execution.done;
  });
});
