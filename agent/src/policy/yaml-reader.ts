/**
 * Reads a YAML map key by key and keeps the position of each value, so that every complaint names line and column and
 * says what to write. The agent's only import of the yaml package.
 */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml';

/** One mistake in a file. */
export interface Complaint {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface YamlFile {
  /** `undefined` where the file is no map, with a complaint. An empty file is an empty map. */
  readonly map: MapReader | undefined;
  /** Grows while the map is read. */
  readonly complaints: Complaint[];
}

export function readYaml(text: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const complaints: Complaint[] = [];
  const complain = (offset: number, message: string): void => {
    const { line, col } = lines.linePos(offset);
    complaints.push({ line: Math.max(1, line), column: Math.max(1, col), message });
  };
  for (const { message, pos } of document.errors) complain(pos[0], `this is not YAML: ${message}`);
  if (complaints.length > 0) return { map: undefined, complaints };
  const { contents } = document;
  if (isMap(contents)) return { map: new MapReader(contents, complain), complaints };
  if (contents === null || (isScalar(contents) && contents.value === null))
    return { map: new MapReader(undefined, complain), complaints };
  complain(contents.range?.[0] ?? 0, 'write settings as `name: value`, one a line');
  return { map: undefined, complaints };
}

type Complain = (offset: number, message: string) => void;

/** A map that is read key by key; `end` complains of the keys that were never read. */
export class MapReader {
  readonly #map: YAMLMap | undefined;
  readonly #complain: Complain;
  readonly #known: string[] = [];

  constructor(map: YAMLMap | undefined, complain: Complain) {
    this.#map = map;
    this.#complain = complain;
  }

  text(key: string, remedy: string, valid: (text: string) => boolean = () => true): string | undefined {
    return this.#read(key, remedy, (node) => scalarText(node, valid));
  }

  number(key: string, remedy: string, valid: (value: number) => boolean): number | undefined {
    return this.#read(key, remedy, (node) => {
      const value = isScalar(node) ? node.value : undefined;
      return typeof value === 'number' && valid(value) ? value : undefined;
    });
  }

  /** A list of texts, or a single one. */
  texts(key: string, remedy: string, valid: (text: string) => boolean): readonly string[] | undefined {
    const node = this.#node(key);
    if (node === undefined) return undefined;
    const items = isSeq(node) ? node.items : [node];
    const texts: string[] = [];
    for (const item of items) {
      const text = scalarText(item as Node, valid);
      if (text === undefined) this.#complain(offsetOf(item as Node, node), `${key}: ${remedy}`);
      else texts.push(text);
    }
    return texts;
  }

  map(key: string, remedy: string): MapReader | undefined {
    const node = this.#node(key);
    if (node === undefined) return undefined;
    if (isMap(node)) return new MapReader(node, this.#complain);
    this.#complain(offsetOf(node), `${key}: ${remedy}`);
    return undefined;
  }

  maps(key: string, remedy: string): readonly MapReader[] | undefined {
    const node = this.#node(key);
    if (node === undefined) return undefined;
    const readers: MapReader[] = [];
    for (const item of isSeq(node) ? node.items : [node]) {
      if (isMap(item)) readers.push(new MapReader(item, this.#complain));
      else this.#complain(offsetOf(item as Node, node), `${key}: ${remedy}`);
    }
    return readers;
  }

  /** All entries, keys and values as texts. */
  entries(remedy: string, valid: (key: string, value: string) => boolean): Record<string, string> {
    const found: Record<string, string> = {};
    for (const { key, value } of this.#map?.items ?? []) {
      const name = isScalar(key) ? String(key.value) : '';
      const text = isScalar(value) && value.value !== null ? String(value.value) : undefined;
      this.#known.push(name);
      if (text !== undefined && valid(name, text)) found[name] = text;
      else this.#complain(offsetOf(key as Node), `${name}: ${remedy}`);
    }
    return found;
  }

  /** The value of `key` if it is a scalar, for settings that take several types. */
  scalar(key: string): unknown {
    const node = this.#node(key);
    return isScalar(node) ? node.value : undefined;
  }

  complain(key: string, message: string): void {
    const node = this.#map?.get(key, true) as Node | undefined;
    this.#complain(offsetOf(node, this.#map), `${key}: ${message}`);
  }

  /** Complains of keys that were not read. @param what the map's name in the complaint */
  end(what: string): void {
    for (const { key } of this.#map?.items ?? []) {
      const name = isScalar(key) ? String(key.value) : '';
      if (!this.#known.includes(name))
        this.#complain(offsetOf(key as Node), `${what} has no '${name}'; there are ${this.#known.join(', ')}`);
    }
  }

  #read<T>(key: string, remedy: string, parse: (node: Node) => T | undefined): T | undefined {
    const node = this.#node(key);
    if (node === undefined) return undefined;
    const value = parse(node);
    if (value === undefined) this.#complain(offsetOf(node), `${key}: ${remedy}`);
    return value;
  }

  /** `undefined` also for a key without a value: then the default holds. */
  #node(key: string): Node | undefined {
    this.#known.push(key);
    const node = this.#map?.get(key, true) as Node | undefined;
    return node === undefined || node === null || (isScalar(node) && node.value === null) ? undefined : node;
  }
}

/** Numbers count as texts, too: a name may be 42. */
function scalarText(node: Node, valid: (text: string) => boolean): string | undefined {
  const value = isScalar(node) ? node.value : undefined;
  const text = typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : '';
  return text !== '' && valid(text) ? text : undefined;
}

function offsetOf(node: Node | null | undefined, otherwise?: Node): number {
  return node?.range?.[0] ?? otherwise?.range?.[0] ?? 0;
}
