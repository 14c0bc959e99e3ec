import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FoundPassage, IngestOutput, QueryOutput } from '@rma/workloads/rag/handlers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ChatServer } from '../../support/chat-server.js';
import { needs } from '../../support/needs.js';
import { assertNoHandlerProcessLeft, Harness, sample } from '../host/runtime-harness.js';

const LIGHTHOUSE =
  'The lighthouse on Tern Rock was lit in 1841. Its keeper rowed ashore once a month.\n\nIn 1966 the lamp became automatic, and the last keeper, Ada Quill, left the rock.';
const PANCAKES =
  'Whisk two eggs with milk and flour.\n\nLet the batter rest for an hour before the first pancake is fried.';

describe('rag', needs('sqlite'), () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'rma-rag-'));
  let llm: { baseUrl: string; model: string; key?: string } | undefined;
  let server: ChatServer | undefined;
  const harness = new Harness({ workloads: ['rag'], dataDir, llm: () => llm });
  const documents = [
    { id: 'tern', title: 'Tern Rock', text: LIGHTHOUSE, metadata: { shelf: 4 } },
    { id: 'pancakes', text: PANCAKES },
  ];

  beforeAll(async () => {
    await harness.start();
    await harness.until('rag', 'healthy');
  }, 30_000);

  afterEach(async () => {
    llm = undefined;
    await server?.stop();
    server = undefined;
  });

  afterAll(async () => {
    await harness.stop();
    rmSync(dataDir, { recursive: true });
    await assertNoHandlerProcessLeft();
  });

  const ingest = async (collection: string, sent: readonly unknown[] = documents) =>
    (await harness.output('rag.ingest', { collection, documents: sent }, 60_000)) as IngestOutput;
  const query = async (collection: string, question: string, more: object = {}) =>
    (await harness.output('rag.query', { collection, question, ...more })) as QueryOutput;

  it('cites a passage by document and offsets, with its ranks', async () => {
    await ingest('cited');
    const { passages, answeredBy } = await query('cited', 'Who was the last keeper of the lighthouse?', {
      answer: false,
    });
    const [first] = passages as [FoundPassage];
    expect(answeredBy).toBe('passages');
    expect(first).toMatchObject({
      document: 'tern',
      title: 'Tern Rock',
      metadata: { shelf: 4 },
      ranks: { vector: 1, text: 1 },
    });
    expect(first.text).toContain('Ada Quill');
    expect(LIGHTHOUSE.slice(first.offsets.start, first.offsets.end)).toBe(first.text);
    expect(first.score).toBeGreaterThan(passages[1]?.score ?? 0);
  });

  it('ingests a document once, however often it is sent, and replaces it when it changed', async () => {
    expect(await ingest('again')).toMatchObject({ ingested: ['tern', 'pancakes'], unchanged: [] });
    expect(await ingest('again')).toMatchObject({ ingested: [], unchanged: ['tern', 'pancakes'], passages: 0 });
    await ingest('again', [{ id: 'tern', text: 'Nothing but gulls live there now.' }]);
    const { passages } = await query('again', 'Who lives on the rock?', { topK: 10, answer: false });
    expect(passages.filter(({ document }) => document === 'tern').map(({ text }) => text)).toEqual([
      'Nothing but gulls live there now.',
    ]);
  });

  it('reads files as document.extract does', async () => {
    const bytes = new Uint8Array(readFileSync(sample('letter.pdf')));
    await ingest('files', [{ id: 'report', bytes }]);
    const { passages } = await query('files', 'What is the letter about?', { answer: false });
    expect(passages[0]).toMatchObject({ document: 'report' });
    const failure = await harness.failure('rag.ingest', {
      collection: 'files',
      documents: [{ id: 'x', bytes: bytes.slice(0, 900) }],
    });
    expect(failure).toMatchObject({ code: 'input.damaged', retryable: false });
    expect(failure.message).toContain('input.documents[0].bytes');
  });

  it('deletes documents and collections, and lists what there is', async () => {
    await ingest('gone');
    expect(await harness.output('rag.delete', { collection: 'gone', documents: ['tern', 'never'] })).toEqual({
      collection: 'gone',
      deleted: 1,
    });
    const { passages } = await query('gone', 'lighthouse keeper', { topK: 10, answer: false });
    expect(passages.map(({ document }) => document)).toEqual(passages.map(() => 'pancakes'));
    const { collections } = (await harness.output('rag.collections', {})) as { collections: { collection: string }[] };
    expect(collections.find(({ collection }) => collection === 'gone')).toMatchObject({
      documents: 1,
      dimensions: 512,
    });
    await harness.output('rag.delete', { collection: 'gone', all: true });
    expect(await harness.failure('rag.query', { collection: 'gone', question: 'pancakes?' })).toMatchObject({
      code: 'collection.unknown',
    });
  });

  it.each([
    [{ collection: '../x', documents: [{ id: 'a', text: 'b' }] }, 'input.collection'],
    [{ collection: 'x', documents: [] }, 'input.documents'],
    [{ collection: 'x', documents: [{ id: 'a' }] }, 'input.documents[0].text'],
    [
      {
        collection: 'x',
        documents: [
          { id: 'a', text: 'b' },
          { id: 'a', text: 'c' },
        ],
      },
      'input.documents[1].id',
    ],
    [{ collection: 'x', documents: [{ id: 'a', text: 'b', metadata: [] }] }, 'input.documents[0].metadata'],
  ])('names what is wrong with %j', async (input, path) => {
    const failure = await harness.failure('rag.ingest', input);
    expect(failure).toMatchObject({ code: 'input.invalid', retryable: false });
    expect(failure.message).toContain(`${path}:`);
  });

  it('takes any question, whatever a query language would make of it', async () => {
    await ingest('odd');
    for (const question of ['"', 'NEAR(a b) AND NOT *', 'the of and', '???', "x' OR 1=1 --", '日本語'])
      expect((await query('odd', question, { answer: false })).answeredBy).toBe('passages');
  });

  it('says that the passages answer where there is no LLM', async () => {
    await ingest('plain');
    expect(await query('plain', 'When was it lit?')).toMatchObject({
      answeredBy: 'passages',
      reason: 'this worker has no LLM',
    });
  });

  it('answers by an LLM from numbered passages, and keeps only citations of passages that there are', async () => {
    await ingest('llm');
    server = await ChatServer.start(() => 'It was lit in 1841 [1] by the sea [9].');
    llm = { baseUrl: server.baseUrl, model: 'tiny', key: 'secret' };
    const output = await query('llm', 'When was the lighthouse lit?');
    expect(output).toMatchObject({
      answeredBy: 'llm',
      answer: 'It was lit in 1841 [1] by the sea.',
      citations: [1],
      model: 'tiny',
    });
    const [request] = server.requests;
    expect(request?.authorization).toBe('Bearer secret');
    const prompt = request?.body.messages.at(-1)?.content ?? '';
    expect(prompt).toContain(`[1] ${output.passages[0]?.title}\n${output.passages[0]?.text}`);
    expect(prompt).toContain('Question: When was the lighthouse lit?');
  });

  it.each([
    ['cites nothing', () => 'In 1841, I think.', 'without citing'],
    ['finds no answer', () => 'NOT IN THE PASSAGES', 'found no answer'],
    ['fails', () => 500, 'answered 500'],
  ])('hands over the passages and says why where the LLM %s', async (_, reply, why) => {
    await ingest('llm');
    server = await ChatServer.start(reply);
    llm = { baseUrl: server.baseUrl, model: 'tiny' };
    const output = await query('llm', 'When was the lighthouse lit?');
    expect(output.answeredBy).toBe('passages');
    expect(output.reason).toContain(why);
    expect(output.passages.length).toBeGreaterThan(0);
    expect(output.answer).toBeUndefined();
  });

  it('keeps its data to the owner of the agent', () => {
    if (process.platform === 'win32') return;
    expect(statSync(join(dataDir, 'rag.sqlite')).mode & 0o777).toBe(0o600);
  });
});

describe('rag on a machine without SQLite or a place for data', () => {
  it('is unhealthy with a reason, and takes no task', async () => {
    const harness = new Harness({ workloads: ['rag', 'vector'] });
    await harness.start();
    expect(harness.service('rag')).toMatchObject({
      state: 'unhealthy',
      kinds: [],
      reason: expect.stringContaining('directory'),
    });
    expect(await harness.failure('rag.query', {})).toMatchObject({ retryable: true });
    await harness.stop();
  });
});
