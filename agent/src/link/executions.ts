/**
 * Carries out what the attempts ask for: fetches inputs, starts and cancels executions, keeps and uploads large outputs.
 * The part of the shell between the machines of this folder and the runtimes.
 */
import { errorMessage } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import { type Payload, packPayload, unpackPayload } from '@rma/protocol/payload';
import type { Up } from '@rma/protocol/up';
import { type Failure, type JobListener, type Outcome, TaskError } from '@rma/workloads/runtime';
import type { AgentLog } from '../log.js';
import type { BlobFiles } from '../outbox/blob-files.js';
import type { Attempt } from './attempt.js';
import type { AttemptEffect, Attempts } from './attempts.js';
import { BlobCache } from './blob-cache.js';
import type { BlobTransfers, TransferEffect } from './blob-transfers.js';
import { resolvePayload, spill } from './payload-blobs.js';

const CACHE_BYTES = 64 * 1_048_576;
const CACHE_MS = 60_000;
/** What the blobs of one task's input may take together. */
const MAX_INPUT_BYTES = 256 * 1_048_576;

export interface ExecutionsHost {
  /** Something is to be sent. */
  turn(): void;
  failed(error: unknown): void;
  started(attempt: Attempt): void;
}

export class Executions {
  readonly #cache = new BlobCache(CACHE_BYTES, CACHE_MS);
  /** Attempts that have transfers, by key. */
  readonly #transferring = new Map<string, Attempt>();

  constructor(
    private readonly attempts: Attempts,
    private readonly transfers: BlobTransfers,
    private readonly blobs: BlobFiles,
    private readonly log: AgentLog,
    private readonly host: ExecutionsHost,
  ) {}

  /** Performs all that is asked for, and answers with the messages that came of it. */
  work(): Up[] {
    const messages: Up[] = [];
    for (;;) {
      const attemptEffects = this.attempts.takeEffects();
      const transferEffects = this.transfers.takeEffects();
      if (attemptEffects.length === 0 && transferEffects.length === 0) return messages;
      const now = performance.now();
      for (const effect of attemptEffects) this.#perform(effect, now);
      for (const effect of transferEffects) {
        if (effect.do === 'send') messages.push(effect.message);
        else this.#transferred(effect, now);
      }
    }
  }

  tick(nowMs: number): void {
    this.#cache.expire(nowMs);
  }

  #perform(effect: AttemptEffect, now: number): void {
    const { attempt } = effect;
    switch (effect.do) {
      case 'start':
        this.#start(attempt, now);
        return;
      case 'fetch':
        this.#fetch(attempt, effect.blobs, now);
        return;
      case 'cancel':
        attempt.execution?.cancel();
        return;
      case 'upload':
        this.#upload(attempt, effect.blobs, now);
        return;
      case 'unfetch':
        this.#endTransfers(attempt, now);
        return;
      case 'forget':
        this.#endTransfers(attempt, now);
        this.#releaseBlobs(attempt);
    }
  }

  #start(attempt: Attempt, now: number): void {
    const { dispatch, served } = attempt;
    if (dispatch === undefined || served === undefined) return;
    let input: unknown;
    try {
      input =
        attempt.state.name === 'fetching'
          ? resolvePayload(dispatch.input, attempt.state.blobs)
          : unpackPayload(dispatch.input);
    } catch (error) {
      const message = `the input of ${dispatch.kind} cannot be decoded: ${errorMessage(error)}`;
      this.attempts.ended(attempt, { ok: false, error: { code: 'input.invalid', message, retryable: false } }, now);
      return;
    }
    this.#transferring.delete(attempt.key);
    const timeoutMs = Math.max(1, Math.round(dispatch.timeoutMs - (now - attempt.receivedAtMs)));
    try {
      const job = { kind: dispatch.kind, input, timeoutMs };
      const execution = this.attempts.start(attempt, () => served.runtime.execute(job, new Told(attempt, this)), now);
      this.host.started(attempt);
      execution?.done.then(
        (outcome) => this.#done(attempt, outcome),
        (error: unknown) => this.#done(attempt, broken(error)),
      );
    } catch (error) {
      this.#done(attempt, broken(error));
    }
  }

  progress(attempt: Attempt, fraction: number, note: string | undefined): void {
    this.attempts.progress(attempt, fraction, note);
    this.#again();
  }

  chunk(attempt: Attempt, value: unknown): void {
    this.attempts.chunk(attempt, packPayload(value), performance.now());
    this.#again();
  }

  #done(attempt: Attempt, outcome: Outcome): void {
    try {
      this.#settle(attempt, outcome);
      this.#again();
    } catch (error) {
      this.host.failed(error);
    }
  }

  #settle(attempt: Attempt, outcome: Outcome): void {
    const now = performance.now();
    if (!outcome.ok) {
      this.attempts.ended(attempt, outcome, now);
      return;
    }
    let output: Payload;
    try {
      output = packPayload(outcome.output);
    } catch (error) {
      const message = `the output of ${attempt.dispatch?.kind} cannot be encoded: ${errorMessage(error)}. Return plain values.`;
      this.attempts.ended(attempt, { ok: false, error: { code: 'output.invalid', message, retryable: false } }, now);
      return;
    }
    if (output.length <= LIMITS.maxInlineBytes || !attempt.wanted || attempt.verdict !== undefined) {
      this.attempts.ended(attempt, { ok: true, output }, now);
      return;
    }
    this.attempts.storing(attempt, now);
    void this.#store(attempt, outcome.output, output);
  }

  /** A large output: to files first, then the result may name them. */
  async #store(attempt: Attempt, output: unknown, packed: Payload): Promise<void> {
    try {
      const { payload, blobs } = await spill(output, packed);
      await Promise.all([...blobs].map(([blob, bytes]) => this.blobs.store(blob, bytes)));
      if (attempt.wanted)
        this.attempts.ended(attempt, { ok: true, output: payload, blobs: [...blobs.keys()] }, performance.now());
      else {
        this.attempts.ended(attempt, { ok: true, output: payload }, performance.now());
        for (const blob of blobs.keys()) this.blobs.release(blob);
      }
    } catch (error) {
      const failure: Failure =
        error instanceof TaskError
          ? { code: error.code, message: error.message, retryable: error.retryable }
          : {
              code: 'output.invalid',
              message: `the output cannot be taken apart: ${errorMessage(error)}`,
              retryable: false,
            };
      this.attempts.ended(attempt, { ok: false, error: failure }, performance.now());
    }
    this.#again();
  }

  #fetch(attempt: Attempt, blobs: readonly string[], now: number): void {
    this.#transferring.set(attempt.key, attempt);
    for (const blob of new Set(blobs)) {
      const cached = this.#cache.get(blob, now);
      if (cached === undefined) this.transfers.download(attempt.key, refOf(attempt), blob, now);
      else this.attempts.fetched(attempt, blob, cached);
    }
  }

  #upload(attempt: Attempt, blobs: readonly string[], now: number): void {
    this.#transferring.set(attempt.key, attempt);
    for (const blob of blobs) {
      const source = this.blobs.source(blob);
      if (source !== undefined) this.transfers.upload(attempt.key, refOf(attempt), blob, source, now);
      else {
        const message = `the file of output blob ${blob} is gone from this worker's state directory`;
        this.#uploadFailed(attempt, { code: 'output.lost', message, retryable: true }, now);
        return;
      }
    }
  }

  #transferred(effect: Exclude<TransferEffect, { do: 'send' }>, now: number): void {
    const attempt = this.#transferring.get(effect.owner);
    if (effect.do === 'downloaded') this.#cache.put(effect.blob, effect.bytes, now);
    if (attempt === undefined) return;
    if (effect.do === 'uploaded') this.attempts.uploaded(attempt, effect.blob);
    else if (effect.do === 'failed') this.#transferFailed(attempt, effect, now);
    else if (attempt.state.name === 'fetching' && held(attempt.state.blobs) + effect.bytes.length > MAX_INPUT_BYTES) {
      const message = `the blobs of its input are larger than ${MAX_INPUT_BYTES} bytes together; this worker takes no more`;
      this.#inputFailed(attempt, { code: 'input.too_large', message, retryable: false }, now);
    } else this.attempts.fetched(attempt, effect.blob, effect.bytes);
  }

  #transferFailed(attempt: Attempt, effect: Extract<TransferEffect, { do: 'failed' }>, now: number): void {
    const { blob, direction, error } = effect;
    this.log.warn(
      { task: attempt.task, blob, kind: error.kind },
      `blob ${blob.slice(0, 12)}… of task ${attempt.task} failed: ${error.message}`,
    );
    const what = direction === 'up' ? 'a part of the output was not taken' : 'a part of the input could not be fetched';
    const code = `${direction === 'up' ? 'output' : 'input'}.${error.kind}`;
    const failure = { code, message: `${what}: ${error.message}`, retryable: error.kind !== 'too_large' };
    if (direction === 'up') this.#uploadFailed(attempt, failure, now);
    else this.#inputFailed(attempt, failure, now);
  }

  #inputFailed(attempt: Attempt, error: Failure, now: number): void {
    this.#endTransfers(attempt, now);
    if (attempt.state.name === 'fetching') this.attempts.ended(attempt, { ok: false, error }, now);
  }

  #uploadFailed(attempt: Attempt, error: Failure, now: number): void {
    this.#endTransfers(attempt, now);
    this.#releaseBlobs(attempt);
    this.attempts.uploadFailed(attempt, error);
  }

  #endTransfers(attempt: Attempt, now: number): void {
    if (this.#transferring.delete(attempt.key)) this.transfers.cancel(attempt.key, now);
  }

  #releaseBlobs(attempt: Attempt): void {
    if (attempt.state.name !== 'finished') return;
    for (const blob of attempt.state.result.blobs ?? []) this.blobs.release(blob);
  }

  /** Something happened outside a message: what comes of it is done in the turn that follows. */
  #again(): void {
    this.host.turn();
  }
}

/** What one execution tells while it runs; a class, because closures for each task cost more. */
class Told implements JobListener {
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

function refOf({ task, attempt }: Attempt) {
  return { task, attempt };
}

function held(blobs: ReadonlyMap<string, Uint8Array>): number {
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
