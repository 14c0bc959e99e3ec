/**
 * The part of node-llama-cpp 3 that the agent calls, declared here: the package is not installed with the agent (donors
 * bring it, see docs/endpoints.md), so its own types are not there to compile against.
 */

export type ChatHistoryItem =
  | { readonly type: 'system' | 'user'; readonly text: string }
  | { readonly type: 'model'; readonly response: readonly string[] };

export interface LlamaResponse {
  readonly response: string;
  readonly metadata: { readonly stopReason: string };
}

/** An interface rather than a function, so that what a test adds to the library extends it. */
export interface LlamaChat {
  readonly chatWrapper: {
    generateContextState(options: { readonly chatHistory: readonly ChatHistoryItem[] }): {
      readonly contextText: { tokenize(tokenizer: unknown): readonly unknown[] };
    };
  };
  generateResponse(
    history: readonly ChatHistoryItem[],
    options: {
      readonly maxTokens: number;
      readonly temperature?: number;
      readonly signal: AbortSignal;
      readonly stopOnAbortSignal?: boolean;
      readonly onToken?: (tokens: readonly unknown[]) => void;
      readonly onResponseChunk: (chunk: {
        readonly type: string | undefined;
        readonly text: string;
        readonly tokens: readonly unknown[];
      }) => void;
      readonly [sampling: string]: unknown;
    },
  ): Promise<LlamaResponse>;
  dispose(): void;
}

export interface LlamaSequence {
  dispose(): void;
}

export interface LlamaContext {
  readonly contextSize: number;
  getSequence(): LlamaSequence;
}

export interface LlamaModel {
  readonly trainContextSize: number;
  readonly tokenizer: unknown;
  createContext(options: {
    readonly contextSize: number | { readonly max: number };
    readonly sequences: number;
    readonly threads: number;
  }): Promise<LlamaContext>;
}

export interface LlamaOptions {
  readonly gpu?: false;
  readonly build: 'never';
  readonly skipDownload: true;
  readonly progressLogs: false;
  readonly logLevel: string;
  readonly maxThreads: number;
}

export interface LlamaLibrary {
  getLlama(options: LlamaOptions): Promise<{ loadModel(options: { readonly modelPath: string }): Promise<LlamaModel> }>;
  readonly LlamaLogLevel: { readonly error: string };
  readonly LlamaChat: new (options: { readonly contextSequence: LlamaSequence }) => LlamaChat;
}
