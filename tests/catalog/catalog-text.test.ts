/** The catalogue's text: what is right, what is wrong and where, and digests that leave everything else alone. */
import { readFileSync } from 'node:fs';
import { type CatalogReading, problemLines, readCatalog, withDigests } from '@rma/protocol/catalog-text';
import { describe, expect, it } from 'vitest';

const shipped = readFileSync(new URL('../../catalog.yaml', import.meta.url), 'utf8');

function problemsIn(reading: CatalogReading): string {
  return reading.ok ? 'right' : problemLines('c.yaml', reading.problems);
}

const one = (fields: string) => `version: 1\nworkloads:\n  a:\n    title: A\n    kinds: []\n${fields}`;
const CONTAINER = `    container:
      image: postgres:17
      gpu: false
      resources: { cores: 1, memoryMiB: 512 }
      network: false
`;

describe('the shipped catalogue', () => {
  const reading = readCatalog(shipped);
  if (!reading.ok) throw new Error(problemsIn(reading));
  const names = reading.entries.map(({ name }) => name);

  it('is right, and has an entry for each class of work', () => {
    const wanted = ['vllm-chat', 'vllm-embed', 'vision', 'ocr-enhance', 'rag', 'ner', 'document', 'ocr', 'embed'];
    expect(names).toEqual(expect.arrayContaining([...wanted, 'postgres', 'redis', 'qdrant', 'vector']));
  });

  it('keeps what holds data to trusted machines, and to one of them', () => {
    for (const { name, stateful, trusted, ceiling } of reading.entries) {
      if (stateful) expect([name, trusted, ceiling]).toEqual([name, true, 1]);
    }
  });

  it('runs on a small machine what every agent brings along', () => {
    const everywhere = reading.entries.filter((entry) => entry.everywhere).map(({ embedded }) => embedded);
    expect(everywhere.sort()).toEqual(['document', 'embed', 'ner', 'ocr']);
  });
});

describe('a mistake', () => {
  it.each([
    [
      'a typing error in a field',
      one(`${CONTAINER}    tyer: 3\n`),
      "c.yaml:11:5: workloads.a: there is no field 'tyer'",
    ],
    [
      'a typing error deep inside',
      one(CONTAINER.replace('cores', 'coers')),
      "c.yaml:9:20: workloads.a.container.resources: there is no field 'coers'",
    ],
    ['a value of another type', one(`${CONTAINER}    tier: two\n`), 'c.yaml:11:5: workloads.a.tier: must be integer'],
    [
      'a field that is missing',
      one(CONTAINER.replace('      gpu: false\n', '')),
      'c.yaml:6:5: workloads.a.container: needs gpu',
    ],
    [
      'a name that is none',
      one(CONTAINER).replace('  a:', '  A_b:'),
      "c.yaml:3:3: 'A_b' cannot be a workload's name: lower-case letters, digits and hyphens, at most 32",
    ],
    ['nothing to run', one(''), 'c.yaml:3:3: a: needs a container, an embedded workload, or both'],
    [
      'a floor above the ceiling',
      one(`${CONTAINER}    replicas: { floor: 3, ceiling: 2 }\n`),
      'c.yaml:11:17: a.replicas.floor: the floor 3 is above the ceiling 2',
    ],
    [
      'state in two places',
      one(`${CONTAINER}    stateful: true\n    replicas: { ceiling: 2 }\n`),
      'c.yaml:12:17: a.replicas.ceiling: what has state runs once: its ceiling is at most 1',
    ],
    [
      'documents for strangers',
      one(`    embedded: rag\n    trust: community\n`).replace('[]', '[rag.query]'),
      'c.yaml:7:5: a.trust: rag.*, vector.*, postgres.* and redis.* hold data: they are for trusted machines only',
    ],
    [
      'a digest that is none',
      one(CONTAINER.replace('17\n', '17\n      digest: latest\n')),
      /^c\.yaml:8:7: workloads\.a\.container\.digest: must match/,
    ],
    ['no YAML', 'version: 1\nworkloads:\n  a: {title: x\n  b: 1\n', /^c\.yaml:4:3: Flow map/],
    ['nothing at all', '', 'c.yaml:1:1: the catalogue: must be object'],
    ['a key twice', `${one(CONTAINER)}  a: 1\n`, /^c\.yaml:11:3: Map keys must be unique/],
  ])('is reported with its position: %s', (_what, text, expected) => {
    if (typeof expected === 'string') expect(problemsIn(readCatalog(text))).toBe(expected);
    else expect(problemsIn(readCatalog(text))).toMatch(expected);
  });

  it('does not hide the others', () => {
    const text = one(`${CONTAINER}    tier: 9\n    slots: none\n`);
    expect(problemsIn(readCatalog(text)).split('\n')).toHaveLength(2);
  });

  it('does not blow up: aliases of aliases', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n`;
    expect(problemsIn(readCatalog(bomb))).toMatch(/^c\.yaml:/);
  });
});

describe('pinning', () => {
  const digest = (letter: string) => `sha256:${letter.repeat(64)}`;

  it('adds a line beside each image and changes nothing else', () => {
    const pinned = withDigests(shipped, new Map([['postgres', digest('a')]]));
    const added = pinned.split('\n').filter((line) => !shipped.split('\n').includes(line));
    expect(added).toEqual([`      digest: ${digest('a')}`]);
    expect(pinned.replace(`${added[0]}\n`, '')).toBe(shipped);
    const reading = readCatalog(pinned);
    expect(reading.ok && reading.entries.find(({ name }) => name === 'postgres')?.container?.digest).toBe(digest('a'));
  });

  it('replaces a digest that is there, and keeps the comment behind it', () => {
    const old = one(CONTAINER.replace('17\n', `17 # the year's\n      digest: ${digest('a')} # of May\n`));
    expect(withDigests(old, new Map([['a', digest('b')]]))).toBe(old.replace(digest('a'), digest('b')));
  });

  it('finds its way in a container that is written on one line', () => {
    const text = one(
      '    container: { image: redis:8, gpu: false, resources: { cores: 1, memoryMiB: 64 }, network: false }\n',
    );
    const reading = readCatalog(withDigests(text, new Map([['a', digest('c')]])));
    expect(reading.ok && reading.entries[0]?.container?.digest).toBe(digest('c'));
  });
});
