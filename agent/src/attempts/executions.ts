/**
 * Executes attempts on the runtimes, with I/O: fetches large inputs, starts and cancels executions, stores large outputs
 * on disk and uploads them. The way of a dispatch leads through here once: start() -> runtime -> done -> Attempts.ended().
 */
import type { BlobTransfer, TransferListener } from '@rma/peer/blob-transfer';
import type { BlobTransfers } from '@rma/peer/blob-transfers';
import { packLargeValue, unpackLargeValue } from '@rma/peer/large-value';
import { errorMessage, ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import { type Payload, packPayload, unpackPayload } from '@rma/protocol/payload';
import type { Failure, JobListener, Outcome } from '@rma/workloads/runtime';
import type { AgentLog } from '../log.js';
import type { BlobFiles } from '../outbox/blob-files.js';
import type { Attempt } from './attempt.js';
import { type AttemptExecutor, Attempts } from './attempts.js';
import { BlobCache } from './blob-cache.js';
import type { Services } from './services.js';

const CACHE_BYTES = 64 * 1_048_576;
const CACHE_MS = 60_000;
/** The blobs of one task's input together. */
const MAX_INPUT_BYTES = 256 * 1_048_576;

export interface ExecutionsHost {
  readonly transfers: BlobTransfers;
  /** Keeps output blobs until their result is acknowledged. */
  readonly blobs: BlobFiles;
  readonly log: AgentLog;
  /** Something is to be sent. */
  flushSoon(): void;
  /** A defect of the agent. */
  failed(error: unknown): void;
  started(attempt: Attempt): void;
}

export class Executions implements AttemptExecutor {
  readonly attempts: Attempts;
  readonly #host: ExecutionsHost;
  readonly #cache = new BlobCache(CACHE_BYTES, CACHE_MS);
  /** By blob: of the input while it is fetched, of the output while that is uploaded. */
  readonly #transfers = new Map<Attempt, Map<string, BlobTransfer>>();

  constructor(services: Services, host: ExecutionsHost) {
    this.#host = host;
    this.attempts = new Attempts(services, this);
  }

  tick(nowMs: number): void {
    this.attempts.tick(nowMs);
    this.#cache.expire(nowMs);
  }

  fetch(attempt: Attempt, blobs: readonly string[]): void {
    const nowMs = performance.now();
    for (const blob of new Set(blobs)) {
      const cached = this.#cache.get(blob, nowMs);
      if (cached !== undefined) this.attempts.fetched(attempt, blob, cached);
      else
        this.#transfer(attempt, blob, (listener) =>
          this.#host.transfers.download(blob, undefined, scopeOf(attempt), listener),
        );
    }
  }

  start(attempt: Attempt): void {
    const { dispatch, state } = attempt;
    if (dispatch === undefined) return;
    if (state.name === 'fetching') {
      const { blobs } = state;
      const bytesOf = async ({ $blob }: { readonly $blob: string }) => blobs.get($blob) ?? new Uint8Array();
      unpackLargeValue(dispatch.input, [...blobs.keys()], bytesOf)
        .then(
          (input) => this.#run(attempt, input),
          (error: unknown) => this.#inputInvalid(attempt, error),
        )
        .then(
          () => this.#host.flushSoon(),
          (error: unknown) => this.#host.failed(error),
        );
      return;
    }
    let input: unknown;
    try {
      input = unpackPayload(dispatch.input);
    } catch (error) {
      this.#inputInvalid(attempt, error);
      return;
    }
    this.#run(attempt, input);
  }

  cancel(attempt: Attempt): void {
    attempt.execution?.cancel();
  }

  upload(attempt: Attempt, blobs: readonly string[]): void {
    for (const blob of blobs) {
      const source = this.#host.blobs.source(blob);
      if (source === undefined) {
        const message = `the file of output blob ${blob} is gone from this worker's state directory`;
        this.#uploadFailed(attempt, { code: 'output.lost', message, retryable: true });
        return;
      }
      this.#transfer(attempt, blob, (listener) =>
        this.#host.transfers.upload(blob, source, scopeOf(attempt), listener),
      );
    }
  }

  endTransfers(attempt: Attempt): void {
    for (const transfer of this.#transfers.get(attempt)?.values() ?? []) this.#host.transfers.cancel(transfer);
    this.#transfers.delete(attempt);
  }

  forget(attempt: Attempt): void {
    this.endTransfers(attempt);
    this.#releaseBlobs(attempt);
  }

  progress(attempt: Attempt, fraction: number, note: string | undefined): void {
    this.attempts.progress(attempt, fraction, note);
    this.#host.flushSoon();
  }

  chunk(attempt: Attempt, value: unknown): void {
    this.attempts.chunk(attempt, packPayload(value), performance.now());
    this.#host.flushSoon();
  }

  #run(attempt: Attempt, input: unknown): void {
    const { dispatch, served } = attempt;
    if (dispatch === undefined || served === undefined) return;
    const nowMs = performance.now();
    const timeoutMs = Math.max(1, Math.round(dispatch.timeoutMs - (nowMs - attempt.receivedAtMs)));
    const job = { kind: dispatch.kind, input, timeoutMs };
    try {
      const listener = new AttemptListener(attempt, this);
      const execution = this.attempts.start(attempt, () => served.runtime.execute(job, listener), nowMs);
      if (execution === undefined) return;
      this.#host.started(attempt);
      execution.done.then(
        (outcome) => this.#done(attempt, outcome),
        (error: unknown) => this.#done(attempt, broken(error)),
      );
    } catch (error) {
      this.#done(attempt, broken(error));
    }
  }

  #done(attempt: Attempt, outcome: Outcome): void {
    try {
      this.#settle(attempt, outcome);
      this.#host.flushSoon();
    } catch (error) {
      this.#host.failed(error);
    }
  }

  #settle(attempt: Attempt, outcome: Outcome): void {
    const nowMs = performance.now();
    if (!outcome.ok) {
      this.attempts.ended(attempt, outcome, nowMs);
      return;
    }
    let output: Payload;
    try {
      output = packPayload(outcome.output);
    } catch (error) {
      const message = `the output of ${attempt.dispatch?.kind} cannot be encoded: ${errorMessage(error)}. Return plain values.`;
      this.#fail(attempt, { code: 'output.invalid', message, retryable: false });
      return;
    }
    if (output.length <= LIMITS.maxInlineBytes || !attempt.wanted || attempt.verdict !== undefined) {
      this.attempts.ended(attempt, { ok: true, output }, nowMs);
      return;
    }
    this.attempts.storing(attempt, nowMs);
    this.#store(attempt, outcome.output, output).then(
      () => this.#host.flushSoon(),
      (error: unknown) => this.#host.failed(error),
    );
  }

  /** A large output: to files first, then the result may name them. */
  async #store(attempt: Attempt, output: unknown, packed: Payload): Promise<void> {
    const { blobs: files } = this.#host;
    try {
      const { payload, blobs } = await packLargeValue(output, packed);
      await Promise.all([...blobs].map(([blob, bytes]) => files.store(blob, bytes)));
      const names = [...blobs.keys()];
      if (!attempt.wanted) for (const blob of names) files.release(blob);
      this.attempts.ended(attempt, { ok: true, output: payload, blobs: names }, performance.now());
    } catch (error) {
      const isTooLarge = error instanceof ProtocolError && error.kind === 'too_large';
      const code = isTooLarge ? 'output.too_large' : 'output.invalid';
      this.#fail(attempt, { code, message: `the output cannot be sent: ${errorMessage(error)}`, retryable: false });
    }
  }

  /** Begins a transfer, unless the same one is under way. */
  #transfer(attempt: Attempt, blob: string, begin: (listener: TransferListener) => BlobTransfer): void {
    const transfers = this.#transfers.get(attempt) ?? new Map<string, BlobTransfer>();
    this.#transfers.set(attempt, transfers);
    if (transfers.has(blob)) return;
    const transfer = begin({
      done: (bytes) => {
        transfers.delete(blob);
        if (bytes === undefined) this.attempts.uploaded(attempt, blob);
        else this.#downloaded(attempt, blob, bytes);
      },
      failed: (error) => this.#transferFailed(attempt, transfer, error),
    });
    transfers.set(blob, transfer);
  }

  #downloaded(attempt: Attempt, blob: string, bytes: Uint8Array): void {
    this.#cache.put(blob, bytes, performance.now());
    if (attempt.state.name === 'fetching' && sizeOf(attempt.state.blobs) + bytes.length > MAX_INPUT_BYTES) {
      const message = `the blobs of its input are larger than ${MAX_INPUT_BYTES} bytes together; this worker takes no more`;
      this.#inputFailed(attempt, { code: 'input.too_large', message, retryable: false });
    } else this.attempts.fetched(attempt, blob, bytes);
  }

  #transferFailed(attempt: Attempt, { blob, direction }: BlobTransfer, { kind, message: why }: ProtocolError): void {
    const { task } = attempt;
    this.#host.log.warn({ task, blob, kind }, `blob ${blob.slice(0, 12)}… of task ${task} failed: ${why}`);
    const retryable = kind !== 'too_large';
    if (direction === 'up') {
      const message = `a part of the output was not taken: ${why}`;
      this.#uploadFailed(attempt, { code: `output.${kind}`, message, retryable });
    } else {
      const message = `a part of the input could not be fetched: ${why}`;
      this.#inputFailed(attempt, { code: `input.${kind}`, message, retryable });
    }
  }

  #inputInvalid(attempt: Attempt, error: unknown): void {
    const message = `the input of ${attempt.dispatch?.kind} cannot be decoded: ${errorMessage(error)}`;
    this.#inputFailed(attempt, { code: 'input.invalid', message, retryable: false });
  }

  #inputFailed(attempt: Attempt, error: Failure): void {
    this.endTransfers(attempt);
    const { name } = attempt.state;
    if (name === 'fetching' || name === 'waiting') this.#fail(attempt, error);
  }

  #uploadFailed(attempt: Attempt, error: Failure): void {
    this.forget(attempt);
    this.attempts.uploadFailed(attempt, error);
  }

  #fail(attempt: Attempt, error: Failure): void {
    this.attempts.ended(attempt, { ok: false, error }, performance.now());
  }

  #releaseBlobs(attempt: Attempt): void {
    if (attempt.state.name !== 'finished') return;
    for (const blob of attempt.state.result.blobs ?? []) this.#host.blobs.release(blob);
  }
}

/** What one execution reports while it runs; a class, because closures for each task cost more. */
class AttemptListener implements JobListener {
  constructor(
    private readonly attempt: Attempt,
    private readonly executions: Executions,
  ) {}

  progress(fraction: number, note?: string): void {
    this.executions.progress(this.attempt, fraction, note);
  }

  chunk(value: unknown): void {
    this.executions.chunk(this.attempt, value);
  }
}

function scopeOf({ task, attempt }: Attempt) {
  return { attempt: { task, attempt } };
}

function sizeOf(blobs: ReadonlyMap<string, Uint8Array>): number {
  let bytes = 0;
  for (const blob of blobs.values()) bytes += blob.length;
  return bytes;
}

function broken(error: unknown): Outcome {
  return {
    ok: false,
    error: { code: 'internal', message: `the runtime failed: ${errorMessage(error)}`, retryable: true },
  };
}
