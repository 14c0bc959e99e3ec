/** Reads passages whose entities are marked by hand, `{date 5 March 2024 = 2024-03-05}`, and scores what was found against them. */
import type { Entity, EntityType } from '@rma/workloads/ner/entity';

/** One passage, without its marks. */
export interface Passage {
  readonly title: string;
  readonly text: string;
  readonly entities: readonly MarkedEntity[];
}

export interface MarkedEntity {
  readonly type: EntityType;
  readonly start: number;
  readonly end: number;
  /** `2024-03-05`, or `1250.5 GBP`; only dates and money state it. */
  readonly normal?: string;
}

/** How many of a type were marked, found, and right: same type, same offsets, same normal form. */
export interface Score {
  marked: number;
  found: number;
  right: number;
}

const TYPES = ['person', 'organisation', 'place', 'date', 'money'] as const;
const MARK = /\{(person|organisation|place|date|money) ([^{}]+?)(?: = ([^{}]+))?\}/g;

/** Passages begin with `== title`; lines before the first are a comment. */
export function parsePassages(source: string): Passage[] {
  return source
    .split(/^== /m)
    .slice(1)
    .map((block) => {
      const [title = '', ...lines] = block.split('\n');
      const marked = lines.join('\n').trim();
      const entities: MarkedEntity[] = [];
      let text = '';
      let end = 0;
      for (const match of marked.matchAll(MARK)) {
        text += marked.slice(end, match.index);
        const [whole, type, words = '', normal] = match;
        const span = { type: type as EntityType, start: text.length, end: text.length + words.length };
        entities.push(normal === undefined ? span : { ...span, normal });
        text += words;
        end = match.index + whole.length;
      }
      return { title, text: text + marked.slice(end), entities };
    });
}

/** Scores by type, and each difference as a line: `court: missed date 9.11.1971`, `court: wrong person High Court`. */
export class ScoreSheet {
  readonly scores: Readonly<Record<EntityType, Score>> = {
    person: { marked: 0, found: 0, right: 0 },
    organisation: { marked: 0, found: 0, right: 0 },
    place: { marked: 0, found: 0, right: 0 },
    date: { marked: 0, found: 0, right: 0 },
    money: { marked: 0, found: 0, right: 0 },
  };
  readonly differences: string[] = [];

  add(passage: Passage, found: readonly Entity[]): void {
    const key = (entity: MarkedEntity): string => `${entity.type} ${entity.start} ${entity.end} ${entity.normal ?? ''}`;
    const foundKeys = found.map(({ type, start, end, normal }) => {
      const stated = typeof normal === 'string' ? normal : `${normal.amount} ${normal.currency}`;
      return key(type === 'date' || type === 'money' ? { type, start, end, normal: stated } : { type, start, end });
    });
    const markedKeys = passage.entities.map(key);
    passage.entities.forEach(({ type, start, end }, at) => {
      this.scores[type].marked += 1;
      if (foundKeys.includes(markedKeys[at] ?? '')) this.scores[type].right += 1;
      else this.differences.push(`${passage.title}: missed ${type} ${passage.text.slice(start, end)}`);
    });
    found.forEach(({ type, text, normal }, at) => {
      this.scores[type].found += 1;
      if (markedKeys.includes(foundKeys[at] ?? '')) return;
      this.differences.push(`${passage.title}: wrong ${type} ${text} (${JSON.stringify(normal)})`);
    });
  }

  /** Precision and recall of a type, 0 to 1. */
  of(type: EntityType): { readonly precision: number; readonly recall: number } {
    const { marked, found, right } = this.scores[type];
    return { precision: right / found, recall: right / marked };
  }

  /** A line a type: `person 39/41 found, 38 right: precision 0.97, recall 0.93`. */
  toString(): string {
    return TYPES.map((type) => {
      const { marked, found, right } = this.scores[type];
      const { precision, recall } = this.of(type);
      return `${type}: ${marked} marked, ${found} found, ${right} right; precision ${precision.toFixed(2)}, recall ${recall.toFixed(2)}`;
    }).join('\n');
  }
}
