/**
 * The models of a server and the use of each. Ollama and llama.cpp report capabilities; for other servers the use is inferred
 * from the name, since the OpenAI API has no field for it.
 */
import { TaskError } from '@rma/workloads/runtime';
import { askJson, record, type ServerAddress } from './http.js';

export interface ServedModel {
  readonly name: string;
  readonly use: 'chat' | 'embedding';
}

export type ServerProduct = 'ollama' | 'vllm' | 'llama.cpp' | 'other';

export interface ModelList {
  readonly product: ServerProduct;
  readonly models: readonly ServedModel[];
}

/** The wire's limit of models per service. */
export const MAX_MODELS = 64;
const EMBEDDING =
  /(^|[^a-z0-9])(embed(ding)?s?|bge|e5|gte|minilm|mxbai|nomic-embed|sentence-transformers|stella|uae)([^a-z0-9]|$)|embed/i;
/** Models for neither chat nor embeddings. */
const NEITHER = /rerank|whisper|(^|[^a-z])tts([^a-z]|$)|dall-e|stable-diffusion|moderation/i;
/** `owned_by` of a model, by which its server is recognised. */
const OWNERS: Readonly<Record<string, ServerProduct>> = { library: 'ollama', vllm: 'vllm', llamacpp: 'llama.cpp' };

/** Lists the models of a server; caches the uses that Ollama reports, so that a listing takes one request. */
export class ModelLister {
  readonly #uses = new Map<string, ServedModel['use'] | 'neither'>();

  /** @throws TaskError when the server is unreachable, or not OpenAI-compatible */
  async list(server: ServerAddress, signal: AbortSignal): Promise<ModelList> {
    const answer = record(await askJson(server, { method: 'GET', path: '/models', signal }));
    const data = answer?.data;
    // Ollama without models answers `data: null`.
    if (answer === undefined || (data !== null && !Array.isArray(data))) {
      throw new TaskError(
        'endpoint.invalid',
        `${server.baseUrl}/models does not list models: is it an OpenAI-compatible server, and does the address end in /v1?`,
        true,
      );
    }
    const entries = (data ?? []).map(record).filter((entry) => typeof entry?.id === 'string' && isName(entry.id));
    const product = await this.#productOf(server, entries, signal);
    const capabilities = capabilitiesIn(answer.models);
    const models: ServedModel[] = [];
    for (const entry of entries) {
      const name = String(entry?.id);
      const use =
        product === 'ollama' ? await this.#ofOllama(server, name, signal) : useOf(name, capabilities.get(name));
      if (use !== 'neither' && models.length < MAX_MODELS) models.push({ name, use });
    }
    return { product, models };
  }

  async #productOf(
    server: ServerAddress,
    entries: readonly (Record<string, unknown> | undefined)[],
    signal: AbortSignal,
  ): Promise<ServerProduct> {
    const owner = entries[0]?.owned_by;
    if (typeof owner === 'string' && Object.hasOwn(OWNERS, owner)) return OWNERS[owner] ?? 'other';
    // In newer versions of Ollama `owned_by` is the author of the model, so the list does not identify the server.
    const version = await optional(askJson(rootOf(server), { method: 'GET', path: '/api/version', signal }), signal);
    return typeof record(version)?.version === 'string' ? 'ollama' : 'other';
  }

  async #ofOllama(server: ServerAddress, model: string, signal: AbortSignal): Promise<ServedModel['use'] | 'neither'> {
    const known = this.#uses.get(model);
    if (known !== undefined) return known;
    const asked = { method: 'POST', path: '/api/show', body: { model }, signal } as const;
    const shown = record(await optional(askJson(rootOf(server), asked), signal));
    const use = useOf(model, listOfTexts(shown?.capabilities));
    this.#uses.set(model, use);
    return use;
  }
}

/** Finds the model that a task names; Ollama's `:latest` may be left out. */
export function findModel(names: readonly string[], wanted: string): string | undefined {
  return names.find((name) => name === wanted) ?? names.find((name) => name === `${wanted}:latest`);
}

/** @param capabilities as Ollama and llama.cpp report them */
export function useOf(name: string, capabilities?: readonly string[]): ServedModel['use'] | 'neither' {
  if (capabilities?.includes('embedding')) return 'embedding';
  if (capabilities?.includes('completion')) return 'chat';
  if (NEITHER.test(name)) return 'neither';
  return EMBEDDING.test(name) ? 'embedding' : 'chat';
}

/** llama.cpp also lists its models in Ollama's format, with capabilities. */
function capabilitiesIn(models: unknown): Map<string, readonly string[]> {
  const byModel = new Map<string, readonly string[]>();
  for (const entry of Array.isArray(models) ? models : []) {
    const fields = record(entry);
    const capabilities = listOfTexts(fields?.capabilities);
    if (capabilities !== undefined) byModel.set(String(fields?.model ?? fields?.name), capabilities);
  }
  return byModel;
}

/** The base URL of the server's native API, which is beside `/v1`. */
function rootOf(server: ServerAddress): ServerAddress {
  return { ...server, baseUrl: server.baseUrl.replace(/\/v1$/, '') };
}

/** A request whose failure only loses details: `undefined` then. */
async function optional(request: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  try {
    return await request;
  } catch (error) {
    if (signal.aborted || !(error instanceof TaskError)) throw error;
    return undefined;
  }
}

/** Whether the wire accepts it as a model's name. */
function isName(name: string): boolean {
  return (
    name.length >= 1 && name.length <= 256 && ![...name].some((character) => character < ' ' || character === '\x7f')
  );
}

function listOfTexts(value: unknown): string[] | undefined {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined;
}
