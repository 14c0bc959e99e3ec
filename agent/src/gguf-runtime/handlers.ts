/**
 * The module of a handler process that serves `llm.chat` with one GGUF model. The model is in the query of the module's URL,
 * so that the process is started like any other. The input is an endpoint's, without what only servers support.
 */
import { invalid } from '@rma/workloads/input';
import { type Handler, type TaskContext, TaskError } from '@rma/workloads/runtime';
import { type ChatOutput, timingsOf } from '../endpoint-runtime/chat-answer.js';
import { type ChatInput, type ChatMessage, readChatInput } from '../endpoint-runtime/chat-input.js';
import { findModel } from '../endpoint-runtime/models.js';
import { type Message, type Model, openModel, type Sampling } from './llama.js';

const { searchParams } = new URL(import.meta.url);
const NAME = searchParams.get('name') ?? 'model';

/** llama.cpp's defaults. */
const DEFAULTS = { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05 };
const SUPPORTED = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'max_tokens',
  'max_completion_tokens',
  'stop',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'repetition_penalty',
  'repeat_penalty',
];

let opening: Promise<Model> | undefined;

function model(): Promise<Model> {
  opening ??= openModel({
    path: searchParams.get('path') ?? '',
    packageDir: searchParams.get('packages') ?? '',
    contextTokens: Number(searchParams.get('context')),
  });
  return opening;
}

async function chat(input: unknown, { signal, chunk }: TaskContext): Promise<ChatOutput> {
  const request = readChatInput(input);
  if (request.model !== undefined && findModel([NAME], request.model) === undefined)
    throw new TaskError('model.unknown', `this worker has no model ${request.model}; it has ${NAME}`, true);
  const messages = request.messages.map(readMessage);
  const sampling = readSampling(request);
  const startedAtMs = performance.now();
  let firstAtMs: number | undefined;
  chunk({ role: 'assistant' });
  const generated = await (await model()).generate(messages, sampling, signal, (text, reasoning) => {
    firstAtMs ??= performance.now();
    chunk(reasoning ? { reasoning_content: text } : { content: text });
  });
  const { text, reasoning, promptTokens, completionTokens, finishReason } = generated;
  const endedAtMs = performance.now();
  return {
    message: {
      role: 'assistant',
      content: text,
      ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    },
    finishReason,
    model: NAME,
    usage: { promptTokens, completionTokens },
    timings: timingsOf(startedAtMs, firstAtMs ?? endedAtMs, endedAtMs, completionTokens),
  };
}

function readMessage({ role, content }: ChatMessage, index: number): Message {
  const path = `input.messages[${index}]`;
  if (role === 'tool') throw invalid(`${path}.role`, 'tools are not available with a GGUF file, only with a server');
  const parts = Array.isArray(content) ? content : [{ type: 'text', text: content ?? '' }];
  if (parts.some((part) => part.type !== 'text'))
    throw invalid(`${path}.content`, 'images are not available with a GGUF file, only with a server');
  const text = parts.map((part) => String(part.text)).join('');
  return { role: role === 'developer' ? 'system' : (role as Message['role']), text };
}

function readSampling({ parameters }: ChatInput): Sampling {
  const format = parameters.response_format;
  for (const name of Object.keys(parameters)) {
    const plain = name === 'response_format' && isPlain(format);
    if (!plain && !SUPPORTED.includes(name))
      throw invalid(
        `input.${name}`,
        `not available with a GGUF file, only with a server; available are ${SUPPORTED.join(', ')}`,
      );
  }
  const number = (...names: string[]): number | undefined => {
    for (const name of names) if (typeof parameters[name] === 'number') return parameters[name];
    return undefined;
  };
  const { stop } = parameters;
  return {
    maxTokens: number('max_completion_tokens', 'max_tokens'),
    temperature: number('temperature') ?? DEFAULTS.temperature,
    topK: number('top_k') ?? DEFAULTS.topK,
    topP: number('top_p') ?? DEFAULTS.topP,
    minP: number('min_p') ?? DEFAULTS.minP,
    seed: number('seed'),
    stop: stop === undefined ? [] : Array.isArray(stop) ? stop : [String(stop)],
    repeatPenalty: number('repeat_penalty', 'repetition_penalty'),
    presencePenalty: number('presence_penalty'),
    frequencyPenalty: number('frequency_penalty'),
  };
}

function isPlain(format: unknown): boolean {
  return typeof format === 'object' && format !== null && 'type' in format && format.type === 'text';
}

export const handlers: Readonly<Record<string, Handler>> = { 'llm.chat': chat };

/** Loads the model before the first task. */
export async function warm(): Promise<void> {
  await model();
}
