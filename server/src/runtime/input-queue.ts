/**
 * Inputs that no turn has taken yet: a queue for each flow (a session, or a subject's HTTP requests), taken in turn by
 * deficit round robin. Work-conserving: one busy flow gets the whole turn. Inputs of no flow (ticks, the catalogue, a
 * stop) go first. Memory is bounded by bytes, for each flow and over all.
 */
import { CREDITED_TYPES } from '@rma/protocol/credit';
import type { Input } from '../core/inputs.js';
import { cutMessage, itemsOf } from '../core/messages.js';
import { Fifo } from './fifo.js';

/** A session's number, or a name for requests that have no session of their own. */
export type Flow = number | string;

/** What a flow's queue may hold, by bytes of frames: four of the largest. */
export const MAX_FLOW_BYTES = 4 * 1_048_576;
/** What all queues together may hold before each flow is held to its share. */
export const MAX_QUEUED_BYTES = 64 * 1_048_576;
/** The share that is left to every flow. Invariant: all bytes <= MAX_QUEUED_BYTES + flows * MIN_FLOW_BYTES. */
const MIN_FLOW_BYTES = 65_536;
/** Bytes of a frame that are as much work as one item: a task that is submitted, a result. */
const BYTES_PER_WORK = 1_024;
/** A worker's hello costs as much as so many items (0.15 ms with its row), beside the attempts that it names. */
const HELLO_WORK = 8;
/** What a flow gets each time that it is its turn, in work: two of the parts into which messages are cut. */
const QUANTUM = 128;

interface Waiting {
  readonly input: Input;
  readonly work: number;
  /** Of its frame, which it frees; 0 for all but a message's last part. */
  readonly bytes: number;
}

class FlowQueue {
  readonly inputs = new Fifo<Waiting>();
  bytes = 0;
  /** Work that it may still take at this visit. */
  deficit = 0;
  visited = false;
}

/** Messages of the credited types, and bytes of their frames, that turns took of one session. */
export interface Taken {
  messages: number;
  bytes: number;
}

export class InputQueue {
  #first: Input[] = [];
  readonly #flows = new Map<Flow, FlowQueue>();
  /** Flows that have something, the next one first. Invariant: each flow of `#flows` is in it once, and has an input. */
  readonly #ring = new Fifo<Flow>();
  #size = 0;
  #bytes = 0;
  #taken = new Map<Flow, Taken>();

  get size(): number {
    return this.#first.length + this.#size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a flow may queue so many bytes more; otherwise its peer sends faster than it is served. */
  admits(flow: Flow, bytes: number): boolean {
    const would = (this.#flows.get(flow)?.bytes ?? 0) + bytes;
    if (would > MAX_FLOW_BYTES) return false;
    return this.#bytes + bytes <= MAX_QUEUED_BYTES || would <= MIN_FLOW_BYTES;
  }

  /**
   * @param bytes of the frame that brought it
   * @param flow whose turn it waits for; undefined: nobody's
   */
  push(input: Input, bytes: number, flow: Flow | undefined): void {
    if (flow === undefined) {
      this.#first.push(input);
      return;
    }
    // Under pressure nothing is kept for a peer that has gone: it was told of nothing, and sends everything again.
    if (input.type === 'closed' && this.#bytes > MAX_QUEUED_BYTES / 2) this.#drop(flow);
    let queue = this.#flows.get(flow);
    if (!queue) {
      queue = new FlowQueue();
      this.#flows.set(flow, queue);
      this.#ring.push(flow);
    }
    const parts = input.type === 'message' ? cutMessage(input) : [input];
    const bytesWork = bytes / BYTES_PER_WORK / parts.length;
    for (const [i, part] of parts.entries()) {
      const last = i === parts.length - 1;
      queue.inputs.push({ input: part, work: workOf(part) + bytesWork, bytes: last ? bytes : 0 });
    }
    queue.bytes += bytes;
    this.#bytes += bytes;
    this.#size += parts.length;
  }

  /** These go before everything else. */
  unshift(inputs: readonly Input[]): void {
    this.#first = [...inputs, ...this.#first];
  }

  /**
   * Inputs worth so much work, or one that is worth more; what the caller does not take of the iterator stays.
   * @param work in items
   */
  *take(work: number): Generator<Input, void, undefined> {
    const { length } = this.#first;
    for (let i = 0; i < length; i++) yield this.#first.shift()!;
    for (let left = work; left > 0; ) {
      const flow = this.#ring.peek();
      const queue = flow === undefined ? undefined : this.#flows.get(flow);
      if (flow === undefined || !queue) return;
      if (!queue.visited) {
        queue.visited = true;
        queue.deficit += QUANTUM;
      }
      const next = queue.inputs.peek()!;
      if (next.work > queue.deficit) {
        queue.visited = false;
        this.#ring.push(this.#ring.shift()!);
        continue;
      }
      queue.deficit -= next.work;
      left -= next.work;
      this.#shift(flow, queue, next);
      yield next.input;
    }
  }

  /** What was taken since the last call, by flow. */
  takeTaken(): ReadonlyMap<Flow, Taken> {
    const taken = this.#taken;
    if (taken.size > 0) this.#taken = new Map();
    return taken;
  }

  /** Everything, in no flow's turn; nothing waits then. */
  clear(): Input[] {
    const all = this.#first;
    for (const { inputs } of this.#flows.values()) for (const { input } of inputs.clear()) all.push(input);
    this.#first = [];
    this.#flows.clear();
    this.#ring.clear();
    this.#size = 0;
    this.#bytes = 0;
    this.#taken.clear();
    return all;
  }

  #shift(flow: Flow, queue: FlowQueue, { input, bytes }: Waiting): void {
    queue.inputs.shift();
    this.#size--;
    this.#bytes -= bytes;
    queue.bytes -= bytes;
    if (queue.inputs.size === 0) {
      this.#flows.delete(flow);
      this.#ring.shift();
    }
    if (input.type !== 'message' || bytes === 0 || !CREDITED_TYPES.has(input.message.type)) return;
    const taken = this.#taken.get(flow);
    if (taken) {
      taken.messages++;
      taken.bytes += bytes;
    } else this.#taken.set(flow, { messages: 1, bytes });
  }

  #drop(flow: Flow): void {
    const queue = this.#flows.get(flow);
    if (!queue) return;
    this.#size -= queue.inputs.clear().length;
    this.#bytes -= queue.bytes;
    queue.bytes = 0;
  }
}

/** In items, without what its bytes add. */
function workOf(input: Input): number {
  if (input.type === 'message') return 1 + itemsOf(input.message);
  if (input.type !== 'hello' || !input.message.worker) return 1;
  const { running, finished } = input.message.worker;
  return HELLO_WORK + running.length + finished.length;
}
