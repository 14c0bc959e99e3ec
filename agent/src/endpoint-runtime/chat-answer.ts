/**
 * Assembles a streamed chat completion from its events. Pure: `take` answers the task's next output chunks, `finish` its
 * output. Chunks are OpenAI's deltas: `{ role }`, `{ content }`, `{ tool_calls }`.
 */
import { TaskError } from '@rma/workloads/runtime';
import { errorDetailOf, record } from './http.js';

/** The output of `llm.chat`. */
export interface ChatOutput {
  readonly message: {
    readonly role: 'assistant';
    readonly content: string | null;
    readonly reasoning_content?: string;
    readonly tool_calls?: readonly ToolCall[];
  };
  /** Why it ended: `stop`, `length`, `tool_calls`, `content_filter`. */
  readonly finishReason: string;
  readonly model: string;
  readonly usage: Usage;
  readonly timings: Timings;
}

export interface Timings {
  /** From the request to the first piece of output. */
  readonly firstTokenMs: number;
  readonly totalMs: number;
  /** Of the tokens after the first one. */
  readonly tokensPerSecond?: number;
}

export interface Usage {
  /** Absent where the server does not report it. */
  readonly promptTokens?: number;
  readonly completionTokens: number;
  /** The server reported no count: `completionTokens` is the number of deltas with output. */
  readonly estimated?: true;
}

export interface ToolCall {
  readonly id?: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

interface OpenCall {
  id: string | undefined;
  name: string;
  arguments: string;
}

/** Bounds the memory of an answer; far above any real one. */
const MAX_CHARACTERS = 16 * 1_048_576;
const MAX_CALLS = 256;

export class ChatAnswer {
  readonly #startedAtMs: number;
  #model: string;
  #content = '';
  #reasoning = '';
  readonly #calls: OpenCall[] = [];
  #finishReason: string | undefined;
  #usage: Usage | undefined;
  #pieces = 0;
  #firstAtMs: number | undefined;
  #roleSent = false;

  constructor(model: string, nowMs: number) {
    this.#model = model;
    this.#startedAtMs = nowMs;
  }

  /**
   * Takes one event's JSON; answers the output chunks to send.
   * @throws TaskError for an error event, and for what is no chat chunk
   */
  take(event: unknown, nowMs: number): Record<string, unknown>[] {
    const fields = record(event);
    if (fields === undefined) throw new TaskError('endpoint.invalid', 'the stream holds what is no chat chunk', true);
    const { choices, error } = fields;
    if ((error !== undefined && error !== null) || fields.object === 'error')
      throw new TaskError('endpoint.failed', `the server failed in mid-answer: ${errorDetailOf(fields)}`, true);
    if (typeof fields.model === 'string' && fields.model !== '') this.#model = fields.model;
    this.#readUsage(fields.usage);
    const choice = Array.isArray(choices) ? record(choices[0]) : undefined;
    if (choice === undefined) return [];
    if (typeof choice.finish_reason === 'string') this.#finishReason = choice.finish_reason;
    const delta = record(choice.delta);
    return delta === undefined ? [] : this.#readDelta(delta, nowMs);
  }

  /** The finish reason has arrived; only the usage can follow. */
  get isFinished(): boolean {
    return this.#finishReason !== undefined;
  }

  /** @throws TaskError when the stream ended before the answer did */
  finish(nowMs: number): ChatOutput {
    if (this.#finishReason === undefined)
      throw new TaskError('endpoint.cut', 'the server ended the stream in mid-answer', true);
    const usage = this.#usage ?? { completionTokens: this.#pieces, estimated: true as const };
    return {
      message: {
        role: 'assistant',
        content: this.#content === '' && this.#calls.length > 0 ? null : this.#content,
        ...(this.#reasoning === '' ? {} : { reasoning_content: this.#reasoning }),
        ...(this.#calls.length === 0 ? {} : { tool_calls: this.#calls.map(closedCall) }),
      },
      finishReason: this.#finishReason,
      model: this.#model,
      usage,
      timings: timingsOf(this.#startedAtMs, this.#firstAtMs ?? nowMs, nowMs, usage.completionTokens),
    };
  }

  #readDelta(delta: Record<string, unknown>, nowMs: number): Record<string, unknown>[] {
    const chunk: Record<string, unknown> = {};
    if (!this.#roleSent) {
      this.#roleSent = true;
      chunk.role = 'assistant';
    }
    if (typeof delta.content === 'string' && delta.content !== '') {
      chunk.content = delta.content;
      this.#content += delta.content;
    }
    // The first is DeepSeek's and vLLM's name, the second OpenRouter's and Ollama's.
    const reasoning = delta.reasoning_content ?? delta.reasoning;
    if (typeof reasoning === 'string' && reasoning !== '') {
      chunk.reasoning_content = reasoning;
      this.#reasoning += reasoning;
    }
    if (Array.isArray(delta.tool_calls) && delta.tool_calls.length > 0) {
      chunk.tool_calls = delta.tool_calls;
      for (const call of delta.tool_calls) this.#readCall(record(call));
    }
    if (this.#content.length + this.#reasoning.length > MAX_CHARACTERS)
      throw new TaskError('endpoint.invalid', `the answer grew beyond ${MAX_CHARACTERS} characters`, false);
    if (Object.keys(chunk).some((name) => name !== 'role')) {
      this.#pieces += 1;
      this.#firstAtMs ??= nowMs;
    }
    return Object.keys(chunk).length === 0 ? [] : [chunk];
  }

  /** Deltas of a call carry its index; servers that send whole calls leave it out. */
  #readCall(call: Record<string, unknown> | undefined): void {
    if (call === undefined) return;
    const index = typeof call.index === 'number' ? call.index : this.#calls.length;
    if (!Number.isInteger(index) || index < 0 || index >= MAX_CALLS)
      throw new TaskError('endpoint.invalid', `a tool call of the answer has the index ${index}`, true);
    for (let at = this.#calls.length; at <= index; at += 1)
      this.#calls.push({ id: undefined, name: '', arguments: '' });
    const open = this.#calls[index];
    const named = record(call.function);
    if (open === undefined) return;
    if (typeof call.id === 'string') open.id = call.id;
    if (typeof named?.name === 'string') open.name += named.name;
    if (typeof named?.arguments === 'string') open.arguments += named.arguments;
  }

  #readUsage(value: unknown): void {
    const usage = record(value);
    if (usage === undefined || typeof usage.completion_tokens !== 'number') return;
    this.#usage = {
      ...(typeof usage.prompt_tokens === 'number' ? { promptTokens: usage.prompt_tokens } : {}),
      completionTokens: usage.completion_tokens,
    };
  }
}

export function timingsOf(startedAtMs: number, firstAtMs: number, endedAtMs: number, tokens: number): Timings {
  const generatingMs = endedAtMs - firstAtMs;
  const rate = generatingMs > 0 && tokens > 1 ? (tokens - 1) / (generatingMs / 1_000) : 0;
  return {
    firstTokenMs: Math.round(firstAtMs - startedAtMs),
    totalMs: Math.round(endedAtMs - startedAtMs),
    ...(rate > 0 ? { tokensPerSecond: Math.round(rate * 10) / 10 } : {}),
  };
}

function closedCall({ id, name, arguments: args }: OpenCall): ToolCall {
  return { ...(id === undefined ? {} : { id }), type: 'function', function: { name, arguments: args } };
}
