/**
 * Writes a language model of half a megabyte as a GGUF file: the llama architecture with random weights, so that the
 * real inference path runs in tests. It says nonsense, never ends by itself at temperature 0, and always says the same.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (version 3).
 */
import { writeFileSync } from 'node:fs';

const EMBEDDING = 64;
const FEED_FORWARD = 128;
const HEADS = 4;
const LAYERS = 2;
const CONTEXT = 8_192;
const ALIGNMENT = 32;

/** GGUF's numbers for the types of values. */
const TYPE = { uint32: 4, int32: 5, float32: 6, string: 8, array: 9 } as const;
/** And for the types of tokens. */
const TOKEN = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;
const F32 = 0;

interface Token {
  readonly text: string;
  readonly score: number;
  readonly type: number;
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Writes the file. */
export function writeTinyGguf(path: string, name = 'tiny'): void {
  const vocabulary = makeVocabulary();
  const tensors = makeTensors(vocabulary);
  const head = new Bytes();
  head.raw(Buffer.from('GGUF')).u32(3).u64(tensors.length);
  const metadata = makeMetadata(name, vocabulary);
  head.u64(metadata.length);
  for (const [key, write] of metadata) {
    head.text(key);
    write(head);
  }
  let offset = 0;
  for (const { name: tensor, shape, data } of tensors) {
    head.text(tensor).u32(shape.length);
    for (const size of shape) head.u64(size);
    head.u32(F32).u64(offset);
    offset += aligned(data.byteLength);
  }
  head.pad();
  for (const { data } of tensors) head.raw(Buffer.from(data.buffer, data.byteOffset, data.byteLength)).pad();
  writeFileSync(path, head.all());
}

/** A sentencepiece vocabulary: every byte, and enough syllables that its nonsense is readable. */
function makeVocabulary(): Token[] {
  const tokens: Token[] = [
    { text: '<unk>', score: 0, type: TOKEN.unknown },
    { text: '<s>', score: 0, type: TOKEN.control },
    { text: '</s>', score: 0, type: TOKEN.control },
  ];
  for (let byte = 0; byte < 256; byte += 1) {
    const text = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
    tokens.push({ text, score: 0, type: TOKEN.byte });
  }
  const pieces = ['▁'];
  for (const consonant of 'bdfgklmnprstvz')
    for (const vowel of 'aeiou') pieces.push(`${consonant}${vowel}`, `▁${consonant}${vowel}`);
  for (let code = 97; code <= 122; code += 1) pieces.push(String.fromCharCode(code));
  for (const [index, text] of pieces.entries()) tokens.push({ text, score: -index, type: TOKEN.normal });
  return tokens;
}

type Entry = readonly [key: string, write: (bytes: Bytes) => void];

function makeMetadata(name: string, vocabulary: readonly Token[]): Entry[] {
  const text = (value: string) => (bytes: Bytes) => bytes.u32(TYPE.string).text(value);
  const uint = (value: number) => (bytes: Bytes) => bytes.u32(TYPE.uint32).u32(value);
  const float = (value: number) => (bytes: Bytes) => bytes.u32(TYPE.float32).f32(value);
  const list = (type: number, write: (bytes: Bytes, token: Token) => void) => (bytes: Bytes) => {
    bytes.u32(TYPE.array).u32(type).u64(vocabulary.length);
    for (const token of vocabulary) write(bytes, token);
  };
  return [
    ['general.architecture', text('llama')],
    ['general.name', text(name)],
    ['general.alignment', uint(ALIGNMENT)],
    ['llama.context_length', uint(CONTEXT)],
    ['llama.embedding_length', uint(EMBEDDING)],
    ['llama.block_count', uint(LAYERS)],
    ['llama.feed_forward_length', uint(FEED_FORWARD)],
    ['llama.attention.head_count', uint(HEADS)],
    ['llama.attention.head_count_kv', uint(HEADS)],
    ['llama.attention.layer_norm_rms_epsilon', float(1e-5)],
    ['llama.rope.dimension_count', uint(EMBEDDING / HEADS)],
    ['llama.vocab_size', uint(vocabulary.length)],
    ['tokenizer.ggml.model', text('llama')],
    ['tokenizer.ggml.tokens', list(TYPE.string, (bytes, token) => bytes.text(token.text))],
    ['tokenizer.ggml.scores', list(TYPE.float32, (bytes, token) => bytes.f32(token.score))],
    ['tokenizer.ggml.token_type', list(TYPE.int32, (bytes, token) => bytes.u32(token.type))],
    ['tokenizer.ggml.bos_token_id', uint(1)],
    ['tokenizer.ggml.eos_token_id', uint(2)],
    ['tokenizer.ggml.unknown_token_id', uint(0)],
  ];
}

function makeTensors(vocabulary: readonly Token[]): Tensor[] {
  const random = generator(1);
  const ones = (name: string): Tensor => ({ name, shape: [EMBEDDING], data: new Float32Array(EMBEDDING).fill(1) });
  const noise = (name: string, columns: number, rows: number): Tensor => {
    const scale = Math.sqrt(3 / columns);
    const data = Float32Array.from({ length: columns * rows }, () => (random() * 2 - 1) * scale);
    return { name, shape: [columns, rows], data };
  };
  const output = noise('output.weight', EMBEDDING, vocabulary.length);
  // Everything but syllables gets the logit 0, which is never the largest: no end, no broken UTF-8.
  for (const [index, token] of vocabulary.entries())
    if (token.type !== TOKEN.normal) output.data.fill(0, index * EMBEDDING, (index + 1) * EMBEDDING);
  const layers = Array.from({ length: LAYERS }, (_, layer) => [
    ones(`blk.${layer}.attn_norm.weight`),
    noise(`blk.${layer}.attn_q.weight`, EMBEDDING, EMBEDDING),
    noise(`blk.${layer}.attn_k.weight`, EMBEDDING, EMBEDDING),
    noise(`blk.${layer}.attn_v.weight`, EMBEDDING, EMBEDDING),
    noise(`blk.${layer}.attn_output.weight`, EMBEDDING, EMBEDDING),
    ones(`blk.${layer}.ffn_norm.weight`),
    noise(`blk.${layer}.ffn_gate.weight`, EMBEDDING, FEED_FORWARD),
    noise(`blk.${layer}.ffn_up.weight`, EMBEDDING, FEED_FORWARD),
    noise(`blk.${layer}.ffn_down.weight`, FEED_FORWARD, EMBEDDING),
  ]).flat();
  return [noise('token_embd.weight', EMBEDDING, vocabulary.length), ones('output_norm.weight'), output, ...layers];
}

/** Mulberry32: the same numbers everywhere. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Little-endian, as GGUF has it. */
class Bytes {
  readonly #parts: Buffer[] = [];
  #length = 0;

  raw(part: Buffer): this {
    this.#parts.push(part);
    this.#length += part.length;
    return this;
  }

  u32(value: number): this {
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value);
    return this.raw(part);
  }

  u64(value: number): this {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(BigInt(value));
    return this.raw(part);
  }

  f32(value: number): this {
    const part = Buffer.alloc(4);
    part.writeFloatLE(value);
    return this.raw(part);
  }

  text(value: string): this {
    const part = Buffer.from(value);
    return this.u64(part.length).raw(part);
  }

  pad(): this {
    return this.raw(Buffer.alloc(aligned(this.#length) - this.#length));
  }

  all(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
