/**
 * Validates the input of `llm.chat`, the body of an OpenAI chat request. It is untrusted and goes to a donor's server, so
 * unknown fields are refused: no request can make the server fetch an address or run a template.
 */
import { asMap, describe, invalid } from '@rma/workloads/input';

/** A validated request. */
export interface ChatInput {
  /** As the task names it; undefined: the server's first. */
  readonly model: string | undefined;
  readonly messages: readonly ChatMessage[];
  /** Passed on unchanged. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface ChatMessage {
  readonly role: string;
  readonly content: unknown;
  readonly [field: string]: unknown;
}

const ROLES = ['system', 'developer', 'user', 'assistant', 'tool'];
const MESSAGE_FIELDS = ['role', 'content', 'name', 'tool_calls', 'tool_call_id', 'reasoning_content', 'refusal'];
const MAX_MESSAGES = 2_000;

type Rule = (value: unknown, path: string) => void;

const number =
  (min: number, max: number): Rule =>
  (value, path) => {
    if (typeof value !== 'number' || !(value >= min && value <= max))
      throw invalid(path, `expected a number from ${min} to ${max}, got ${shown(value)}`);
  };
const whole =
  (min: number, max: number): Rule =>
  (value, path) => {
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max)
      throw invalid(path, `expected a whole number from ${min} to ${max}, got ${shown(value)}`);
  };
const anything: Rule = () => undefined;
const map: Rule = (value, path) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(path, `expected a map, got ${describe(value)}`);
};
const stop: Rule = (value, path) => {
  const texts = Array.isArray(value) ? value : [value];
  if (texts.length > 16 || !texts.every((text) => typeof text === 'string' && text !== ''))
    throw invalid(path, 'expected a text, or a list of at most 16 texts, none of them empty');
};
const tools: Rule = (value, path) => {
  if (!Array.isArray(value)) throw invalid(path, `expected a list of tools, got ${describe(value)}`);
};
const boolean: Rule = (value, path) => {
  if (typeof value !== 'boolean') throw invalid(path, `expected true or false, got ${describe(value)}`);
};

/** The parameters that are passed on, with the rule of each; some are extensions of other servers than OpenAI's. */
const PARAMETERS: Readonly<Record<string, Rule>> = {
  temperature: number(0, 10),
  top_p: number(0, 1),
  top_k: whole(-1, 1_000_000),
  min_p: number(0, 1),
  max_tokens: whole(1, 10_000_000),
  max_completion_tokens: whole(1, 10_000_000),
  stop,
  seed: whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  presence_penalty: number(-2, 2),
  frequency_penalty: number(-2, 2),
  repetition_penalty: number(0, 10),
  repeat_penalty: number(0, 10),
  logit_bias: map,
  logprobs: boolean,
  top_logprobs: whole(0, 20),
  tools,
  tool_choice: anything,
  parallel_tool_calls: boolean,
  response_format: map,
  reasoning_effort: anything,
};
/** Common in requests and ignored: output is always streamed. */
const IGNORED = new Set(['stream', 'stream_options', 'user', 'metadata', 'store', 'service_tier']);

/** @throws TaskError `input.invalid` */
export function readChatInput(input: unknown): ChatInput {
  const fields = asMap(input, 'such as { messages: [{ role: "user", content: "Hello" }] }');
  const { model, messages, n, ...others } = fields;
  if (n !== undefined && n !== null && n !== 1) throw invalid('input.n', 'expected 1: submit one task for each answer');
  const parameters: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(others)) {
    if (IGNORED.has(name) || value === null || value === undefined) continue;
    const rule = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
    if (rule === undefined)
      throw invalid(`input.${name}`, `not known here; known are ${Object.keys(PARAMETERS).join(', ')}`);
    rule(value, `input.${name}`);
    parameters[name] = value;
  }
  return { model: readModel(model), messages: readMessages(messages), parameters };
}

/** The model that a task asks for. @throws TaskError */
export function readModel(model: unknown): string | undefined {
  if (model === undefined || model === null) return undefined;
  if (typeof model !== 'string' || model === '' || model.length > 256)
    throw invalid('input.model', `expected the name of a model, got ${shown(model)}`);
  return model;
}

function readMessages(messages: unknown): ChatMessage[] {
  if (!Array.isArray(messages))
    throw invalid('input.messages', `expected a list of { role, content }, got ${describe(messages)}`);
  if (messages.length === 0) throw invalid('input.messages', 'expected at least one message, got an empty list');
  if (messages.length > MAX_MESSAGES)
    throw invalid('input.messages', `expected at most ${MAX_MESSAGES} messages, got ${messages.length}`);
  return messages.map((message, index) => readMessage(message, `input.messages[${index}]`));
}

function readMessage(message: unknown, path: string): ChatMessage {
  if (typeof message !== 'object' || message === null || Array.isArray(message))
    throw invalid(path, `expected { role, content }, got ${describe(message)}`);
  const fields = message as Record<string, unknown>;
  const { role, content } = fields;
  if (typeof role !== 'string' || !ROLES.includes(role))
    throw invalid(`${path}.role`, `expected one of ${ROLES.join(', ')}, got ${shown(role)}`);
  for (const name of Object.keys(fields))
    if (!MESSAGE_FIELDS.includes(name))
      throw invalid(`${path}.${name}`, `not known here; known are ${MESSAGE_FIELDS.join(', ')}`);
  const hasCalls = Array.isArray(fields.tool_calls) && fields.tool_calls.length > 0;
  if (content === undefined || content === null) {
    if (!hasCalls) throw invalid(`${path}.content`, 'expected text');
  } else if (Array.isArray(content)) {
    for (const [index, part] of content.entries()) checkPart(part, `${path}.content[${index}]`);
  } else if (typeof content !== 'string') {
    throw invalid(`${path}.content`, `expected text, or a list of parts, got ${describe(content)}`);
  }
  return { ...fields, role, content: content ?? null };
}

/** A part is text, or an image contained in the request. */
function checkPart(part: unknown, path: string): void {
  const { type, text, image_url: image } = asPart(part, path);
  if (type === 'text') {
    if (typeof text !== 'string') throw invalid(`${path}.text`, `expected text, got ${describe(text)}`);
    return;
  }
  if (type !== 'image_url') throw invalid(`${path}.type`, `expected text or image_url, got ${shown(type)}`);
  const url = typeof image === 'object' && image !== null && 'url' in image ? image.url : image;
  if (typeof url !== 'string' || !url.startsWith('data:image/')) {
    throw invalid(
      `${path}.image_url.url`,
      'expected the image itself as data:image/…;base64,…: a worker fetches nothing from addresses that tasks name',
    );
  }
}

function asPart(part: unknown, path: string): Record<string, unknown> {
  if (typeof part !== 'object' || part === null || Array.isArray(part))
    throw invalid(path, `expected { type: "text", text }, got ${describe(part)}`);
  return part as Record<string, unknown>;
}

function shown(value: unknown): string {
  return typeof value === 'number' || (typeof value === 'string' && value.length <= 64)
    ? JSON.stringify(value)
    : describe(value);
}
