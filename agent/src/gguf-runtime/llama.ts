/**
 * Loads one model from a GGUF file and generates text with it. The only import of node-llama-cpp, which is not part of the
 * agent (its CUDA builds are larger than the rest together): the donor installs it, and an error says how.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { errorMessage, hasErrorCode } from '@rma/protocol/error';
import { TaskError } from '@rma/workloads/runtime';
import type { ChatHistoryItem, LlamaLibrary } from './library.js';

/** A constant, not a literal: no compiler or bundler looks for what is not installed here. */
const LLAMA_MODULE: string = 'node-llama-cpp';

/** The version that the tests use. */
export const LLAMA_PACKAGE = 'node-llama-cpp@3.21.1';

export interface ModelOptions {
  /** The GGUF file. */
  readonly path: string;
  /** Directory in which node-llama-cpp may be installed, besides the agent's own. */
  readonly packageDir: string;
  /** Upper bound of the context, which the model and the free memory may make smaller. */
  readonly contextTokens: number;
}

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly text: string;
}

export interface Sampling {
  readonly maxTokens: number | undefined;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly seed: number | undefined;
  readonly stop: readonly string[];
  readonly repeatPenalty: number | undefined;
  readonly presencePenalty: number | undefined;
  readonly frequencyPenalty: number | undefined;
}

export interface Generated {
  readonly text: string;
  readonly reasoning: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly finishReason: 'stop' | 'length';
}

export interface Model {
  /**
   * Generates the answer to the messages; `piece` gets its text as it is generated. One call at a time.
   * @throws TaskError when the messages exceed the context; the signal's error when aborted
   */
  generate(
    messages: readonly Message[],
    sampling: Sampling,
    signal: AbortSignal,
    piece: (text: string, reasoning: boolean) => void,
  ): Promise<Generated>;
}

/** Loads the model into memory. @throws TaskError when file or package are missing or cannot be used */
export async function openModel({ path, packageDir, contextTokens }: ModelOptions): Promise<Model> {
  if (!existsSync(path)) throw new TaskError('model.missing', `the model file ${path} does not exist`);
  const library = await importLibrary(packageDir);
  const threads = threadCount();
  try {
    // Neither downloads nor compiles anything on a donor's machine.
    const llama = await library.getLlama({
      build: 'never',
      skipDownload: true,
      progressLogs: false,
      logLevel: library.LlamaLogLevel.error,
      maxThreads: threads,
    });
    const model = await llama.loadModel({ modelPath: path });
    const contextSize = Math.min(contextTokens, model.trainContextSize);
    const context = await model.createContext({ contextSize: { max: contextSize }, sequences: 1, threads });
    const sequence = context.getSequence();
    const chat = new library.LlamaChat({ contextSequence: sequence });
    return {
      async generate(messages, sampling, signal, piece) {
        const history = toHistory(messages);
        const { contextText } = chat.chatWrapper.generateContextState({ chatHistory: history });
        const promptTokens = contextText.tokenize(model.tokenizer).length;
        const room = context.contextSize - promptTokens;
        if (room < 1) {
          const message = `the messages take ${promptTokens} tokens and this worker's context has ${context.contextSize}: send fewer or shorter ones`;
          throw new TaskError('input.too_long', message);
        }
        let completionTokens = 0;
        let reasoning = '';
        const response = await chat.generateResponse(history, {
          ...toOptions(sampling),
          maxTokens: Math.min(sampling.maxTokens ?? room, room),
          signal,
          stopOnAbortSignal: false,
          onToken: (tokens) => {
            completionTokens += tokens.length;
          },
          onResponseChunk: ({ type, text }) => {
            if (text === '') return;
            if (type === 'segment') reasoning += text;
            piece(text, type === 'segment');
          },
        });
        const finishReason = response.metadata.stopReason === 'maxTokens' ? 'length' : 'stop';
        return { text: response.response, reasoning, promptTokens, completionTokens, finishReason };
      },
    };
  } catch (error) {
    const why = errorMessage(error);
    throw new TaskError('model.broken', `${path} cannot be loaded: ${why}`);
  }
}

/** Half of the cores: llama.cpp's threads busy-wait for each other, so more of them are slower on shared cores. */
function threadCount(): number {
  return Math.max(1, Math.floor(availableParallelism() / 2));
}

async function importLibrary(packageDir: string): Promise<LlamaLibrary> {
  try {
    return (await import(LLAMA_MODULE)) as LlamaLibrary;
  } catch (error) {
    if (!hasErrorCode(error, 'ERR_MODULE_NOT_FOUND')) throw unusable(error);
  }
  const file = join(packageDir, 'node_modules', 'node-llama-cpp', 'dist', 'index.js');
  if (!existsSync(file)) {
    throw new TaskError(
      'package.missing',
      `node-llama-cpp is not installed, which runs GGUF files. Install it with: npm install --prefix "${packageDir}" ${LLAMA_PACKAGE}`,
    );
  }
  try {
    return (await import(pathToFileURL(file).href)) as LlamaLibrary;
  } catch (error) {
    throw unusable(error);
  }
}

function unusable(error: unknown): TaskError {
  const why = errorMessage(error);
  return new TaskError('package.broken', `node-llama-cpp is installed, but cannot be used: ${why}`);
}

/** A last message of the assistant is continued; otherwise a new answer begins. */
function toHistory(messages: readonly Message[]): ChatHistoryItem[] {
  const history = messages.map(({ role, text }): ChatHistoryItem => {
    if (role === 'assistant') return { type: 'model', response: [text] };
    return { type: role, text };
  });
  if (messages.at(-1)?.role !== 'assistant') history.push({ type: 'model', response: [] });
  return history;
}

function toOptions({ temperature, topK, topP, minP, seed, stop, ...penalties }: Sampling) {
  const { repeatPenalty, presencePenalty, frequencyPenalty } = penalties;
  const penalised = [repeatPenalty, presencePenalty, frequencyPenalty].some((value) => value !== undefined);
  return {
    temperature,
    topK,
    topP,
    minP,
    ...(seed === undefined ? {} : { seed }),
    ...(stop.length === 0 ? {} : { customStopTriggers: stop }),
    ...(penalised
      ? {
          repeatPenalty: {
            penalty: repeatPenalty ?? 1,
            presencePenalty: presencePenalty ?? 0,
            frequencyPenalty: frequencyPenalty ?? 0,
          },
        }
      : {}),
  };
}
