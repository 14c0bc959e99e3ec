/** A client that follows PROTOCOL.md: repeats what was not answered, and expects each end that it watches once. */
import type { TaskSpec } from '@rma/protocol/task';
import type { CoreMessage } from '@rma/server/core/inputs';
import { expect } from 'vitest';
import type { Pool, Sent } from './harness.js';

export class ClientModel {
  readonly #pool: Pool;
  readonly #token: string;
  /** What was accepted, over all clients. */
  readonly #accepted: Set<string>;
  session = 0;
  /** Submitted, and neither accepted nor refused so far. */
  readonly unanswered = new Map<string, TaskSpec>();
  /** Of this session: how often each task was asked to be watched, and how often its end was sent. */
  #watches = new Map<string, number>();
  #ends = new Map<string, number>();

  constructor(pool: Pool, owner: string, accepted: Set<string>) {
    this.#pool = pool;
    this.#token = pool.addToken({ role: 'client', name: owner }).id;
    this.#accepted = accepted;
  }

  /** Dials, unless it is connected, and sends again what was not answered. */
  connect(): void {
    if (this.session !== 0) return;
    this.session = this.#pool.nextId();
    this.#watches = new Map();
    this.#ends = new Map();
    this.#pool.push({
      type: 'hello',
      session: this.session,
      address: '10.0.0.2',
      token: { id: this.#token, role: 'client' },
      message: { type: 'hello', protocol: 1, agent: { name: 'test', version: '0' } },
    });
    if (this.unanswered.size > 0) this.submit([...this.unanswered.values()], true);
  }

  leave(): void {
    this.#pool.push({ type: 'closed', session: this.session, reason: 'gone' });
    this.cut();
  }

  /** The coordinator died. */
  cut(): void {
    this.session = 0;
  }

  submit(tasks: TaskSpec[], watch: boolean): void {
    for (const task of tasks) {
      if (!this.#accepted.has(task.id)) this.unanswered.set(task.id, task);
      if (watch) this.#expectEnd(task.id);
    }
    this.#send({ type: 'submit', tasks, watch });
  }

  cancel(task: string): void {
    this.#send({ type: 'cancel', ref: 1, task });
  }

  watch(task: string): void {
    this.#expectEnd(task);
    this.#send({ type: 'watch', tasks: [{ task }] });
  }

  unwatch(task: string): void {
    // An end may be on its way: from now on any number up to the watches is right.
    this.#ends.set(task, Number.NEGATIVE_INFINITY);
    this.#send({ type: 'unwatch', tasks: [task] });
  }

  #expectEnd(task: string): void {
    this.#watches.set(task, (this.#watches.get(task) ?? 0) + 1);
  }

  #send(message: CoreMessage): void {
    this.#pool.push({ type: 'message', session: this.session, message });
  }

  receive(sent: Sent): void {
    // Within one turn a task may be refused, and then accepted when it is sent again: their order is not visible.
    for (const { task, error } of sent.refused) {
      expect(['queue_full', 'not_found'], error.message).toContain(error.kind);
      expect(this.#accepted.has(task), `${task} was accepted, and then: ${error.message}`).toBe(false);
      this.unanswered.delete(task);
      if (sent.accepted.includes(task)) this.#ends.set(task, Number.NEGATIVE_INFINITY);
      else this.#watches.delete(task);
    }
    for (const id of sent.accepted) {
      expect(this.#pool.store.fetch([id]), `${id} is accepted and not on disk`).toHaveLength(1);
      this.#accepted.add(id);
      this.unanswered.delete(id);
    }
    for (const { task } of sent.ended) {
      const ends = (this.#ends.get(task) ?? 0) + 1;
      this.#ends.set(task, ends);
      expect(ends, `the end of ${task} was sent`).toBeLessThanOrEqual(this.#watches.get(task) ?? 0);
    }
  }

  /** Once everything ended. */
  checkRest(): void {
    expect([...this.unanswered.keys()]).toEqual([]);
    for (const task of this.#watches.keys()) {
      expect(this.#ends.get(task) ?? 0, `the end of ${task} was sent`).not.toBe(0);
    }
  }
}
