/**
 * The events of one commit as one row. Most are about tasks, and are stored as a few small numbers that lead to the task's
 * own row; any other is stored in full. Invariant: a task's row is kept at least as long as its events (see `prune`).
 */
import { EVENT_CODES, type EventType } from '@rma/protocol/event';
import { packPayload, unpackPayload } from '@rma/protocol/payload';
import type { EventRecord } from '../core/effects.js';

const CODE = Object.fromEntries(EVENT_CODES.map((type, code) => [type, code])) as Record<EventType, number>;
const TASK_TYPES = new Set<EventType>(['task.submitted', 'task.dispatched', 'task.requeued', 'task.ended']);
/** A record is a code and four numbers of at most 8 bytes each. */
const MAX_RECORD_BYTES = 40;

type Other = [subject: string, owner: string, data: Record<string, unknown> | null];
type Packed = [texts: string[], others: Other[], records: Uint8Array];

/** The fields of a task's row that its events are completed with. */
export interface EventTask {
  readonly id: string;
  readonly owner: string;
  readonly kind: string;
  readonly priority: number;
}

let records = new Uint8Array(4_096);
let length = 0;

/** As LEB128: seven bits a byte, lowest first; the high bit says that more follow. */
function write(value: number): void {
  let rest = value;
  while (rest > 127) {
    records[length++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  records[length++] = rest;
}

export function packEvents(events: readonly EventRecord[]): Uint8Array {
  const texts: string[] = [];
  const others: Other[] = [];
  length = 0;
  if (records.length < events.length * MAX_RECORD_BYTES) records = new Uint8Array(events.length * MAX_RECORD_BYTES * 2);
  let lastText = '';
  let lastPlace = 0;
  /** Its index among the texts + 1; 0 for none. */
  const place = (text: string | undefined): number => {
    if (text === undefined || text === '') return 0;
    if (text === lastText) return lastPlace;
    const known = texts.indexOf(text);
    lastText = text;
    lastPlace = known >= 0 ? known + 1 : texts.push(text);
    return lastPlace;
  };
  for (const { type, subject, owner, data, task } of events) {
    write(CODE[type]);
    if (task === 0) {
      write(others.push([subject, owner, data]) - 1);
      continue;
    }
    write(task);
    write((data?.attempt as number | undefined) ?? 0);
    write(place(data?.worker as string | undefined));
    const usual = type === 'task.submitted' || type === 'task.dispatched' || data?.state === 'succeeded';
    write(usual ? 0 : place(JSON.stringify(data)));
  }
  return packPayload([texts, others, records.subarray(0, length)] satisfies Packed);
}

/** @param taskOf a task's row by its number; undefined for one that was pruned */
export function unpackEvents(
  row: { first: number; at: number; events: Uint8Array },
  taskOf: (seq: number) => EventTask | undefined,
): EventRecord[] {
  const [texts, others, bytes] = unpackPayload(row.events) as Packed;
  const events: EventRecord[] = [];
  let at = 0;
  const read = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const type = EVENT_CODES[read()]!;
    const common = { seq: row.first + events.length, at: row.at, type };
    if (!TASK_TYPES.has(type)) {
      const [subject, owner, data] = others[read()]!;
      events.push({ ...common, subject, owner, data, task: 0 });
      continue;
    }
    const task = read();
    const attempt = read();
    const worker = texts[read() - 1];
    const extra = texts[read() - 1];
    const its = taskOf(task);
    const usual =
      type === 'task.submitted'
        ? its && { kind: its.kind, priority: its.priority }
        : {
            ...(type === 'task.ended' ? { state: 'succeeded' } : {}),
            attempt,
            ...(worker === undefined ? {} : { worker }),
          };
    const data = extra === undefined ? (usual ?? null) : (JSON.parse(extra) as Record<string, unknown>);
    events.push({ ...common, subject: its?.id ?? '', owner: its?.owner ?? '', data, task });
  }
  return events;
}
