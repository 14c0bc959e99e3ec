/** The kinds that come with the pool: what each does, an example to begin with, and how its input is given. Pure. */
export type InputMode = 'file' | 'text' | 'json';

export interface KnownKind {
  readonly kind: string;
  readonly group: string;
  readonly about: string;
  /** file: a file and further fields; text: one text; json: anything. */
  readonly mode: InputMode;
  /** text: the text; json: the value; file: the further fields. */
  readonly example: unknown;
  /** Files that it takes, as an `accept` of a file field has them. */
  readonly accept?: string;
  /** Such as people have. */
  readonly fileName?: string;
}

const COLLECTION = 'handbook';

export const KNOWN_KINDS: readonly KnownKind[] = [
  {
    kind: 'ocr.read',
    group: 'Documents',
    about: 'Reads the text of a scan or photograph, with its lines and where they stand.',
    mode: 'file',
    example: {},
    fileName: 'scan.png',
    accept: 'image/png,image/jpeg,image/bmp,image/webp,image/gif',
  },
  {
    kind: 'document.extract',
    group: 'Documents',
    about: 'Takes the text out of a PDF, DOCX, HTML, XLSX or text file, with its pages or sheets.',
    mode: 'file',
    example: {},
    fileName: 'report.pdf',
    accept: '.pdf,.docx,.html,.htm,.xlsx,.txt,.md,.csv',
  },
  {
    kind: 'ner.extract',
    group: 'Text',
    about: 'Finds people, organisations, places, dates and amounts of money in a text.',
    mode: 'text',
    example: 'Margaret Whitfield of Harbour Trust met the council in Bristol on 4 March 2025 about a grant of £12,500.',
  },
  {
    kind: 'text.embed',
    group: 'Text',
    about: 'Turns a text into a vector, so that texts of like meaning are near each other.',
    mode: 'text',
    example: 'Volunteers lend their machines at night.',
  },
  {
    kind: 'llm.chat',
    group: 'Text',
    about: 'Asks a language model that some worker offers; the answer streams.',
    mode: 'json',
    example: { messages: [{ role: 'user', content: 'Say hello to the pool in one sentence.' }] },
  },
  {
    kind: 'rag.ingest',
    group: 'Retrieval',
    about: 'Puts documents into a collection, to be asked about later. The same document twice does no harm.',
    mode: 'json',
    example: {
      collection: COLLECTION,
      documents: [
        { id: 'opening-hours', title: 'Opening hours', text: 'The library is open from nine to five on weekdays.' },
      ],
    },
  },
  {
    kind: 'rag.query',
    group: 'Retrieval',
    about: 'Finds the passages of a collection that answer a question, and cites them.',
    mode: 'json',
    example: { collection: COLLECTION, question: 'When does the library open?' },
  },
  {
    kind: 'rag.delete',
    group: 'Retrieval',
    about: 'Takes documents out of a collection.',
    mode: 'json',
    example: { collection: COLLECTION, documents: ['opening-hours'] },
  },
  {
    kind: 'rag.collections',
    group: 'Retrieval',
    about: 'Lists the collections of documents that there are.',
    mode: 'json',
    example: {},
  },
  {
    kind: 'vector.upsert',
    group: 'Vectors',
    about: 'Stores items by their vectors, or by texts that are embedded on the way.',
    mode: 'json',
    example: { collection: 'notes', items: [{ id: 'a', text: 'The boiler is serviced in May.' }] },
  },
  {
    kind: 'vector.search',
    group: 'Vectors',
    about: 'Finds the items of a collection that are nearest to a vector or text.',
    mode: 'json',
    example: { collection: 'notes', text: 'When is the heating looked after?', topK: 3 },
  },
  {
    kind: 'vector.delete',
    group: 'Vectors',
    about: 'Takes items out of a collection.',
    mode: 'json',
    example: { collection: 'notes', ids: ['a'] },
  },
  {
    kind: 'vector.collections',
    group: 'Vectors',
    about: 'Lists the collections of vectors that there are.',
    mode: 'json',
    example: {},
  },
  {
    kind: 'container.run',
    group: 'Programs',
    about: 'Runs a command in a container image that a donor admits, with files in and out.',
    mode: 'json',
    example: {
      image: 'debian:trixie-slim',
      command: ['sh', '-c', 'wc -w < in.txt > out.txt; cat out.txt'],
      files: [{ path: 'in.txt', content: 'three little words' }],
      outputs: ['*.txt'],
    },
  },
  {
    kind: 'echo',
    group: 'First steps',
    about: 'Gives back what it gets, in pieces and over a time of your choice: for trying the pool itself.',
    mode: 'json',
    example: { hello: 'pool', chunks: 5, delayMs: 2_000 },
  },
];

const BY_KIND = new Map(KNOWN_KINDS.map((known) => [known.kind, known]));

/** A kind that only this pool knows takes JSON. */
export function knownKind(kind: string): KnownKind {
  return BY_KIND.get(kind) ?? { kind, group: 'Of this pool', about: '', mode: 'json', example: {} };
}

export interface KindChoice {
  readonly kind: string;
  /** Workers that serve it now. */
  readonly workers: number;
}

export interface KindGroup {
  readonly group: string;
  readonly kinds: readonly KindChoice[];
}

/** The built-in ones and those of the pool, by group, each with how many workers serve it now. */
export function groupKinds(
  served: readonly { readonly kind: string; readonly workers: number }[],
): readonly KindGroup[] {
  const workers = new Map(served.map(({ kind, workers }) => [kind, workers]));
  const groups = new Map<string, KindChoice[]>();
  const others = [...workers.keys()].filter((kind) => !BY_KIND.has(kind)).sort();
  for (const kind of [...KNOWN_KINDS.map(({ kind }) => kind), ...others]) {
    const { group } = knownKind(kind);
    const list = groups.get(group) ?? [];
    groups.set(group, list);
    list.push({ kind, workers: workers.get(kind) ?? 0 });
  }
  return [...groups].map(([group, kinds]) => ({ group, kinds }));
}
