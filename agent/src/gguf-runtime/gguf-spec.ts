/** The GGUF files of a donor, from `--model`, validated as far as possible without loading them. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { errorMessage } from '@rma/protocol/error';
import { AgentFault } from '../fault.js';

/** One model to offer. */
export interface GgufSpec {
  /** The service's name, unique on this worker. */
  readonly service: string;
  /** The model's name in tasks. */
  readonly name: string;
  readonly path: string;
  readonly sizeMiB: number;
  /** Tasks at once: each takes a process with a context of its own. */
  readonly slots: number;
  readonly contextTokens: number;
}

export interface GgufOptions {
  /** As given with `--model`: `FILE.gguf` or `NAME=FILE.gguf`. */
  readonly models: readonly string[];
  readonly slots?: number | undefined;
  readonly contextTokens?: number | undefined;
}

/** Printable, and within the wire's limit. */
const NAME = /^[!-~]{1,128}$/;
const DEFAULT_CONTEXT_TOKENS = 4_096;
/** Those of llama.cpp. node-llama-cpp reads a damaged header as version 3 and searches the file for seconds. */
const GGUF_VERSIONS = [2, 3];

/** @throws AgentFault for a file that does not exist, is no GGUF file or one of an unknown version */
export function ggufSpecs({ models, slots = 1, contextTokens = DEFAULT_CONTEXT_TOKENS }: GgufOptions): GgufSpec[] {
  const specs = models.map((text, index): GgufSpec => {
    const at = text.indexOf('=');
    const path = resolve(text.slice(at + 1));
    const name = at < 0 ? basename(path).replace(/\.gguf$/i, '') : text.slice(0, at);
    if (!NAME.test(name))
      throw new AgentFault(
        `--model: '${name}' is no name for a model; give one without blanks, as in --model llama=${path}`,
      );
    const service = index === 0 ? 'gguf' : `gguf-${index + 1}`;
    return { service, name, path, sizeMiB: sizeMiB(path), slots, contextTokens };
  });
  const twice = specs.find(({ name }, index) => specs.findIndex((other) => other.name === name) !== index);
  if (twice !== undefined)
    throw new AgentFault(
      `--model: two models are called ${twice.name}; give one another name, as in --model other=FILE.gguf`,
    );
  return specs;
}

function sizeMiB(path: string): number {
  try {
    const size = statSync(path).size;
    const file = openSync(path, 'r');
    try {
      const header = Buffer.alloc(8);
      readSync(file, header, 0, header.length, 0);
      if (header.toString('latin1', 0, 4) !== 'GGUF')
        throw new AgentFault(`--model: ${path} is no GGUF file. Get the model in GGUF format, as for llama.cpp.`);
      const version = header.readUInt32LE(4);
      if (!GGUF_VERSIONS.includes(version))
        throw new AgentFault(
          `--model: ${path} has the GGUF version ${version}; known are ${GGUF_VERSIONS.join(' and ')}. It is damaged, or newer than this agent: download it again, or update.`,
        );
    } finally {
      closeSync(file);
    }
    return size / 2 ** 20;
  } catch (error) {
    if (error instanceof AgentFault) throw error;
    throw new AgentFault(`--model: cannot read ${path}: ${errorMessage(error)}`);
  }
}
