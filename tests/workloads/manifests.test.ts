/**
 * A kind's name, limits and examples stand in its workload's manifest alone. What cannot be derived from there (the
 * catalogue that admins edit, the docs, the constants of the agent's other runtimes) is held against it here.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { JOBS_KIND } from '@rma/agent/docker/job-runtime';
import { OPENAI_KINDS } from '@rma/agent/endpoint-runtime/execution';
import { isTrustedKind } from '@rma/protocol/catalog';
import { Kind } from '@rma/protocol/task';
import { BUILT_IN_KINDS, KINDS, kindsOf, MANIFESTS, usualNeedsOf } from '@rma/workloads/manifests';
import { Check } from 'typebox/schema';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { KNOWN_KINDS } from '../../dashboard/src/lib/try/kinds.js';
import { ROOT } from '../support/program.js';
import { schemaProblems } from './schema.js';

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

describe('the manifests', () => {
  it('list every folder of a workload, by its name', () => {
    const sources = join(ROOT, 'workloads/src');
    const folders = readdirSync(sources).filter((name) => existsSync(join(sources, name, 'manifest.ts')));
    // Their kinds are served by the agent's other runtimes.
    const others = ['container-run', 'llm-chat'];
    expect(folders.sort()).toEqual([...MANIFESTS.map(({ name }) => name), ...others].sort());
  });

  it('name each kind once, as the protocol writes kinds', () => {
    const named = MANIFESTS.flatMap(kindsOf);
    expect(new Set(named).size).toBe(named.length);
    for (const kind of KINDS.keys()) expect(Check(Kind, kind), kind).toBe(true);
  });

  it.each(MANIFESTS.filter(({ host }) => host !== 'server'))(
    '$name has a handler for each of its kinds',
    async (manifest) => {
      const { handlers } = (await import(`@rma/workloads/${manifest.name}/handlers`)) as { handlers: object };
      expect(Object.keys(handlers)).toEqual(kindsOf(manifest));
    },
  );

  it.each([...KINDS])(
    '%s has examples that its input admits, of files that are there',
    (_, { examples, input, form }) => {
      for (const { input: fields, file } of examples) {
        const bytes = file === undefined ? {} : { file: new Uint8Array(readFileSync(join(ROOT, file))), name: file };
        const value = file === undefined ? fields : { ...(fields as object), ...bytes };
        expect(schemaProblems(input, value)).toEqual([]);
      }
      expect(form?.mode === 'file').toBe(examples[0].file !== undefined);
    },
  );

  it('say which kinds hold data, as the protocol does, and which queue without a worker', () => {
    for (const manifest of MANIFESTS) {
      for (const kind of kindsOf(manifest)) expect(isTrustedKind(kind), kind).toBe(manifest.keepsData === true);
    }
    expect([...BUILT_IN_KINDS].sort()).toEqual([
      'document.extract',
      'echo',
      'ner.extract',
      'ocr.read',
      'text.embed',
      'text.split',
    ]);
  });

  it('reserve the usual share of the memory limit', () => {
    const needs = Object.fromEntries(MANIFESTS.map((manifest) => [manifest.name, usualNeedsOf(manifest)]));
    expect(needs).toMatchObject({ ner: { cores: 1, memoryMiB: 154 }, echo: { cores: 0, memoryMiB: 0 } });
  });

  it('have the kinds of the agent’s other runtimes', () => {
    for (const kind of [...OPENAI_KINDS, JOBS_KIND]) expect([...KINDS.keys()]).toContain(kind);
  });
});

describe('catalog.yaml', () => {
  const { workloads } = parse(read('catalog.yaml')) as { workloads: Record<string, Record<string, unknown>> };
  const embedded = Object.entries(workloads).filter(([, entry]) => entry.embedded !== undefined);

  it('names only embedded workloads and kinds that there are', () => {
    expect(embedded.map(([, entry]) => entry.embedded).sort()).toEqual(
      MANIFESTS.flatMap(({ name, catalog }) => (catalog ? [name] : [])).sort(),
    );
    for (const { kinds } of Object.values(workloads)) {
      for (const kind of kinds as string[]) expect([...KINDS.keys()]).toContain(kind);
    }
  });

  it.each(MANIFESTS.filter(({ catalog }) => catalog !== undefined))('has the defaults of $name', (manifest) => {
    const { kinds = [...kindsOf(manifest)], ...entry } = manifest.catalog ?? { title: '' };
    const wanted = { ...entry, embedded: manifest.name, kinds };
    expect(workloads[manifest.name], `it should say:\n${stringify({ [manifest.name]: wanted })}`).toEqual(wanted);
  });
});

describe('"Try it"', () => {
  it('offers what the manifests have a form for, with their first example', () => {
    const offered = new Map(KNOWN_KINDS.map((known) => [known.kind, known]));
    expect([...offered.keys()].sort()).toEqual([...KINDS].flatMap(([kind, { form }]) => (form ? [kind] : [])).sort());
    for (const { mode, example } of offered.values())
      expect(typeof example).toBe(mode === 'text' ? 'string' : 'object');
    expect(offered.get('text.embed')?.example).toBe('Volunteers lend their machines at night.');
  });
});

describe('the docs', () => {
  const pages = [
    'README.md',
    ...readdirSync(join(ROOT, 'docs')).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : [])),
  ];
  const calls = pages.flatMap((page) =>
    [...read(page).matchAll(/rma submit ([a-z][a-z.]+)(.*)/g)].map(([, kind = '', rest = '']) => ({
      page,
      kind,
      file: /--file (\S+)/.exec(rest)?.[1],
      // What is left out with an ellipsis cannot be read.
      input: /--input '([^'…]+)'/.exec(rest)?.[1],
    })),
  );

  it('show calls', () => expect(calls.length).toBeGreaterThan(5));

  it.each(calls)('$page submits to $kind what it takes', ({ page, kind, input, file }) => {
    const manifest = KINDS.get(kind);
    expect(manifest).toBeDefined();
    if (manifest === undefined) return;
    const value: unknown = input === undefined ? {} : JSON.parse(input);
    if (input !== undefined && file === undefined) expect(schemaProblems(manifest.input, value)).toEqual([]);
    if (page !== 'README.md') return;
    const shown = file === undefined ? { input: value } : { input: value, file };
    expect(manifest.examples).toContainEqual(shown);
  });
});
