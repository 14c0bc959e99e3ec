/**
 * From a call of `submit` to a task in the table: validated, packed, its large parts uploaded; and the way back, from an
 * output in blobs to its value.
 */
import { ProtocolError } from '@rma/protocol/error';
import type { BlobRef } from '@rma/protocol/payload';
import type { TaskEnd } from '@rma/protocol/task';
import type { Blobs } from './blobs.js';
import type { MessageRouter } from './message-router.js';
import { inlinePayload, type SubmitOptions, taskSpec } from './submit-options.js';
import { Task, type TaskFollower } from './task.js';

export interface SubmissionPort {
  readonly router: MessageRouter;
  readonly blobs: Blobs;
  flushSoon(): void;
  cancel(id: string): Promise<void>;
}

export class TaskSubmission {
  readonly #port: SubmissionPort;
  readonly #follower: TaskFollower = {
    watch: (task, after) => {
      const endedBy = this.#port.router.endedBy;
      if (endedBy) task.failed(endedBy);
      else this.#port.router.tasks.watch(task, after);
      this.#port.flushSoon();
    },
    unwatch: (task) => {
      this.#port.router.tasks.unwatch(task);
      this.#port.flushSoon();
    },
    cancel: async (task) => {
      await task.accepted;
      await this.#port.cancel(task.id);
    },
    output: (end) => this.#download(end),
  };

  constructor(port: SubmissionPort) {
    this.#port = port;
  }

  /** @throws ProtocolError of kind `invalid`, or `conflict` for an id that this client follows already */
  submit(kind: string, input: unknown, options: SubmitOptions): Task {
    const { tasks } = this.#port.router;
    const payload = inlinePayload(input);
    const spec = taskSpec(kind, payload, options);
    if (options.id !== undefined && tasks.get(spec.id)) {
      throw new ProtocolError('conflict', `task ${spec.id} is being followed by this client already: use watch()`);
    }
    const phase = payload ? 'unsent' : 'preparing';
    const task = new Task(spec.id, kind, phase, options.watch !== false, this.#follower);
    const endedBy = this.#port.router.endedBy;
    if (endedBy) {
      task.failed(endedBy);
      return task;
    }
    task.spec = spec;
    tasks.add(task);
    if (payload) this.#port.flushSoon();
    else void this.#prepare(task, input);
    return task;
  }

  watch(id: string): Task {
    const known = this.#port.router.tasks.get(id);
    if (known) return known;
    const task = new Task(id, undefined, 'asked', true, this.#follower);
    this.#follower.watch(task, undefined);
    return task;
  }

  /** Uploads a task's blobs, then submits it. The bytes of a blob that the coordinator holds already do not travel. */
  upload(task: Task): void {
    const { blobs, router } = this.#port;
    const uploads = [...(task.blobs ?? [])].map(([hash, bytes]) => blobs.upload(hash, bytes));
    Promise.all(uploads).then(
      () => {
        if (task.phase !== 'preparing') return;
        task.move('unsent');
        router.tasks.add(task);
        this.#port.flushSoon();
      },
      (error: Error) => router.tasks.fail(task, error),
    );
    this.#port.flushSoon();
  }

  async #prepare(task: Task, input: unknown): Promise<void> {
    try {
      const { packLargeValue } = await import('@rma/peer/large-value');
      const { payload, blobs } = await packLargeValue(input);
      // Given up meanwhile: the client was closed.
      if (!task.spec) return;
      task.spec = { ...task.spec, input: payload, blobs: [...blobs.keys()] };
      task.blobs = blobs;
      this.upload(task);
    } catch (error) {
      this.#port.router.tasks.fail(task, error instanceof Error ? error : new Error(String(error)));
    }
  }

  async #download(end: TaskEnd): Promise<unknown> {
    const { unpackLargeValue } = await import('@rma/peer/large-value');
    return unpackLargeValue(end.output as Uint8Array, end.blobs ?? [], (ref) => this.blob(ref, end.task));
  }

  /** @throws ProtocolError where it is not there, or arrives damaged twice */
  async blob(ref: BlobRef, task?: string): Promise<Uint8Array> {
    const { blobs, router } = this.#port;
    if (router.endedBy) throw router.endedBy;
    const arriving = blobs.download(ref, task);
    this.#port.flushSoon();
    return arriving;
  }
}
