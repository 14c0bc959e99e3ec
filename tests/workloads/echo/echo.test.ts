import { handlers } from '@rma/workloads/echo/handlers';
import { afterEach, describe, expect, it } from 'vitest';
import { wallLimit } from '../../support/time.js';
import { call, refusal } from '../host/call-handler.js';
import { Harness } from '../host/runtime-harness.js';

const { echo } = handlers;

describe('echo', () => {
  it.each([[null], [7], ['text'], [[1, 2]], [{ a: { b: 1 } }], [new Uint8Array([1, 2])]])(
    'returns %j',
    async (input) => {
      expect((await call(echo, input)).output).toEqual(input);
    },
  );

  it('waits, and emits its chunks evenly over the wait', async () => {
    const from = performance.now();
    const { chunks, progress, output } = await call(echo, { delayMs: 80, chunks: 4 });
    expect(performance.now() - from).toBeGreaterThanOrEqual(75);
    expect(chunks).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
    expect(progress.at(-1)).toBe(1);
    expect(output).toEqual({ delayMs: 80, chunks: 4 });
  });

  it('fails when told to, retryable unless told otherwise', async () => {
    await expect(call(echo, { fail: 'on purpose' })).rejects.toMatchObject({
      code: 'echo.fail',
      message: 'on purpose',
      retryable: true,
    });
    await expect(call(echo, { fail: 'for good', retryable: false })).rejects.toMatchObject({ retryable: false });
  });

  it('refuses options that it cannot read', async () => {
    expect(await refusal(echo, { delayMs: -1 })).toBe(
      'input.invalid: input.delayMs: expected a whole number from 0 to 86400000, got -1',
    );
    expect(await refusal(echo, { chunks: 'many' })).toMatch(/^input\.invalid: input\.chunks: .* got a string$/);
    expect(await refusal(echo, { fail: 7 })).toBe('input.invalid: input.fail: expected text, got a number');
  });
});

describe('echo in the agent', () => {
  let harness: Harness | undefined;

  afterEach(() => harness?.stop());

  it('is cancelled, timed out and stopped in mid-delay', async () => {
    harness = new Harness({ workloads: ['echo'] });
    await harness.start();
    const cancelled = harness.begin('echo', { delayMs: 60_000 });
    cancelled.execution.cancel();
    expect((await cancelled.ran).outcome).toMatchObject({ ok: false, error: { code: 'cancelled', retryable: false } });
    expect(await harness.failure('echo', { delayMs: 60_000 }, 30)).toMatchObject({ code: 'timeout' });
    const stopped = harness.begin('echo', { delayMs: 60_000 });
    await harness.stop();
    expect((await stopped.ran).outcome).toMatchObject({ ok: false, error: { code: 'cancelled', retryable: true } });
  });

  it('runs 256 at once', async () => {
    harness = new Harness({ workloads: ['echo'] });
    await harness.start();
    const from = performance.now();
    const pool = harness;
    await Promise.all(Array.from({ length: 256 }, (_, n) => pool.output('echo', { n, delayMs: 50 })));
    expect(performance.now() - from).toBeLessThan(wallLimit(2_000));
  });
});
