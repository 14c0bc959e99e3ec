/**
 * node-llama-cpp for tests, brought as a donor brings it (docs/endpoints.md): installed into a directory beside the agent,
 * once for all runs, with the one build that this machine needs.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { LlamaLibrary } from '@rma/agent/gguf-runtime/library';
import { LLAMA_PACKAGE } from '@rma/agent/gguf-runtime/llama';

const INSTALLER = fileURLToPath(new URL('install-llama.mjs', import.meta.url));
/** `packageDir` of a GGUF runtime. */
export const LLAMA_DIR = fileURLToPath(new URL('../../node_modules/.cache/rma/llama', import.meta.url));
const INSTALL_LIMIT_MS = 300_000;

/** Installs it unless it is there; whether it loads on this machine. */
export function llamaLoads(): boolean {
  const args = [INSTALLER, LLAMA_DIR, LLAMA_PACKAGE];
  return spawnSync(process.execPath, args, { stdio: 'ignore', timeout: INSTALL_LIMIT_MS }).status === 0;
}

export async function importLlama(): Promise<LlamaLibrary> {
  const module = join(LLAMA_DIR, 'node_modules/node-llama-cpp/dist/index.js');
  return (await import(pathToFileURL(module).href)) as LlamaLibrary;
}

/** Puts it where an agent with this state directory looks for it. */
export function giveLlama(stateDir: string): void {
  const path = join(stateDir, 'llama');
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(LLAMA_DIR, path, 'junction');
}
