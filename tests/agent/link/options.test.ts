import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readOptions } from '@rma/agent/cli/options';
import { parseCoordinatorAddress } from '@rma/agent/coordinator-address';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rma-options-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const read = (args: string[], env: NodeJS.ProcessEnv = {}) => readOptions(['node', 'rma-worker', ...args], env);

describe('options', () => {
  it('come from the command line, then from the environment', () => {
    const env = { RMA_URL: 'http://a', COORDINATOR_URL: 'http://b', RMA_TOKEN: 'from-env' };
    expect(read([], env).agent).toMatchObject({ url: 'http://a', token: 'from-env' });
    expect(read([], { COORDINATOR_URL: 'http://b' }).agent).toMatchObject({ url: 'http://b', token: undefined });
    expect(read(['--url', 'http://c', '--token', 'given'], env).agent).toMatchObject({
      url: 'http://c',
      token: 'given',
    });
  });

  it('that a unit or container varies come from the environment, too', () => {
    const env = { RMA_URL: 'http://a', RMA_NAME: 'attic', RMA_INSECURE: 'true' };
    expect(read([], env).agent).toMatchObject({ name: 'attic', insecure: true });
    expect(read(['--name', 'cellar'], { RMA_URL: 'http://a', RMA_NAME: 'attic' }).agent).toMatchObject({
      name: 'cellar',
      insecure: false,
    });
    expect(read([], { RMA_URL: 'http://a', RMA_NAME: '' }).agent.name).toBeUndefined();
    expect(() => read([], { RMA_URL: 'http://a', RMA_NAME: 'x'.repeat(200) })).toThrow(/--name/);
  });

  it('read the token from a file, and say so when there is none in it', () => {
    const file = join(directory, 'join.token');
    expect(() => read(['--url', 'http://a', '--token-file', file])).toThrow(/cannot read the token file .*join\.token/);
    writeFileSync(file, '\n');
    expect(() => read(['--url', 'http://a', '--token-file', file])).toThrow(/is empty/);
    writeFileSync(file, ' abc \n');
    expect(read(['--url', 'http://a', '--token-file', file]).agent.token).toBe('abc');
  });

  it('collect labels and workloads', () => {
    const { agent, graceMs } = read([
      '--url',
      'u',
      '--label',
      'a=1',
      '--label',
      'b=x=y',
      '--only',
      'ocr, ner',
      '--grace',
      '1.5',
    ]);
    expect(agent.labels).toEqual({ a: '1', b: 'x=y' });
    expect(agent.only).toEqual(['ocr', 'ner']);
    expect(graceMs).toBe(1_500);
  });

  it('need an address', () => {
    expect(() => read([])).toThrow(/no coordinator given.*--url/);
  });

  it.each([
    [['--label', 'nonsense'], /KEY=VALUE/],
    [['--label', 'bad key=1'], /KEY=VALUE/],
    [['--label', `long=${'x'.repeat(200)}`], /--label/],
    [['--token', 'given', '--token-file', '/does/not/exist'], /one is enough/],
    [['--log-level', 'loud'], /Allowed choices/],
  ])('%j are refused with a reason', (args, reason) => {
    // Commander prints wrong usage and ends the process; other mistakes are thrown.
    const printed = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const exit = vi.spyOn(process, 'exit').mockImplementation((status) => {
      throw new Error(`exit ${status}: ${printed.mock.calls.join('')}`);
    });
    try {
      expect(() => read(['--url', 'http://a', ...args])).toThrow(reason);
    } finally {
      exit.mockRestore();
      printed.mockRestore();
    }
  });
});

describe('language models', () => {
  const llm = (args: string[], env: NodeJS.ProcessEnv = {}) => read(['--url', 'http://a', ...args], env).agent.llm;

  it('come from endpoints that are named, and from those that are found', () => {
    expect(llm(['--endpoint', 'llm=http://127.0.0.1:11434/v1/'], { RMA_ENDPOINT_KEY: 'k' })?.endpoints).toEqual([
      { name: 'llm', baseUrl: 'http://127.0.0.1:11434/v1', key: 'k', slots: 4 },
      { name: 'llm-vllm', product: 'vllm', baseUrl: 'http://127.0.0.1:8000/v1', slots: 4 },
      { name: 'llm-llama-cpp', product: 'llama.cpp', baseUrl: 'http://127.0.0.1:8080/v1', slots: 4 },
    ]);
    expect(llm(['--no-detect', '--endpoint', 'llm=https://h/v1', '--endpoint-slots', '2'])?.endpoints).toEqual([
      { name: 'llm', baseUrl: 'https://h/v1', key: undefined, slots: 2 },
    ]);
    const beside = read(['--url', 'http://localhost:8080']).agent.llm?.endpoints;
    expect(beside?.map(({ name }) => name)).toEqual(['llm-ollama', 'llm-vllm']);
    expect(llm(['--only', 'ocr'])?.endpoints).toEqual([]);
  });

  it('say what is wrong with an endpoint', () => {
    expect(() => llm(['--endpoint', 'http://h/v1'])).toThrow(/is not llm=URL.*llm=http:\/\/127/);
    expect(() => llm(['--endpoint', 'llm=h/v1'])).toThrow(/is not llm=URL/);
    expect(() => llm(['--endpoint', 'llm=http://u:secret@h/v1'])).toThrow(/must not hold a key.*RMA_ENDPOINT_KEY/);
    expect(() => llm(['--endpoint', 'llm=http://h', '--endpoint', 'llm=http://h/'])).toThrow(/given twice/);
    expect(() => llm(['--endpoint-key-env', 'NONE_SUCH'])).toThrow(/NONE_SUCH is not set/);
  });
});

describe('an address', () => {
  it.each([
    ['http://127.0.0.1:8080', 'ws://127.0.0.1:8080/ws', 'http://127.0.0.1:8080'],
    ['ws://localhost:8080/', 'ws://localhost:8080/ws', 'http://127.0.0.1:8080'],
    ['wss://pool.example/ws', 'wss://pool.example/ws', 'https://pool.example:443'],
    ['https://pool.example/rma', 'wss://pool.example/rma/ws', 'https://pool.example:443/rma'],
    ['http://[::1]:9', 'ws://[::1]:9/ws', 'http://127.0.0.1:9'],
  ])('%s is dialled as %s', (text, socketUrl, identity) => {
    expect(parseCoordinatorAddress(text, false)).toEqual({ socketUrl, identity });
  });

  it('of another protocol is refused', () => {
    expect(() => parseCoordinatorAddress('ftp://x', false)).toThrow(/is not an address/);
  });

  it.each(['http://10.0.0.7:8080', 'ws://127.0.0.1.example:80', 'http://localhost.example'])(
    '%s is not encrypted and so refused',
    (text) => {
      expect(() => parseCoordinatorAddress(text, false)).toThrow(/not encrypted.*--insecure/);
      expect(parseCoordinatorAddress(text, true).socketUrl).toMatch(/^ws:/);
    },
  );
});
