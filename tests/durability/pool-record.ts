/** What a coordinator has on record, compared with what it promised to peers. */
import { unpackPayload } from '@rma/protocol/payload';
import type { TaskEnd } from '@rma/protocol/task';
import { Peer } from '../support/peer.js';
import type { SteadyClient, SteadyWorker } from '../support/steady-peers.js';

export interface PoolRecord {
  /** Ended tasks as they are answered now. */
  readonly ended: ReadonlyMap<string, TaskEnd>;
  /** Open tasks. */
  readonly open: ReadonlySet<string>;
  readonly unknown: ReadonlySet<string>;
  /** How many events of the log report that a task ended. */
  readonly ends: ReadonlyMap<string, number>;
  /** Types of events, in order. */
  readonly events: readonly string[];
}

/** Asks for these tasks, and for all events. */
export async function readRecord(
  url: string,
  tokens: { client: string; admin: string },
  ids: Iterable<string>,
): Promise<PoolRecord> {
  const client = await Peer.client(url, tokens.client);
  const ended = new Map<string, TaskEnd>();
  const open = new Set<string>();
  const unknown = new Set<string>();
  const all = [...ids];
  client.onMessage = (message) => {
    if (message.type === 'ended') for (const end of message.tasks) ended.set(end.task, end);
    else if (message.type === 'changed') for (const { task } of message.tasks) open.add(task);
    else if (message.type === 'refused') for (const { task } of message.tasks) unknown.add(task);
    return true;
  };
  for (let i = 0; i < all.length; i += 1_000) {
    client.send({ type: 'watch', tasks: all.slice(i, i + 1_000).map((task) => ({ task })) });
  }
  const answered = () => all.every((id) => ended.has(id) || open.has(id) || unknown.has(id)) || undefined;
  await client.until(answered, 'a word on every task');
  await client.close();

  const admin = await Peer.client(url, tokens.admin);
  const ends = new Map<string, number>();
  const events: string[] = [];
  for (let since = 0, ref = 1; ; ref++) {
    admin.send({ type: 'query', ref, query: { what: 'events', since, limit: 1_000 } });
    const page = (await admin.reply(ref)) as { events: { type: string; subject?: string }[]; last: number };
    for (const { type, subject = '' } of page.events) {
      events.push(type);
      if (type === 'task.ended') ends.set(subject, (ends.get(subject) ?? 0) + 1);
    }
    if (page.events.length === 0) break;
    since = page.last;
  }
  await admin.close();
  return { ended, open, unknown, ends, events };
}

/** Promises that do not hold, each in a line. */
export function brokenPromises(record: PoolRecord, client: SteadyClient, worker: SteadyWorker): string[] {
  const broken: string[] = [];
  for (const id of client.accepted) if (record.unknown.has(id)) broken.push(`${id} was accepted and is gone`);
  for (const [id, end] of client.ended) {
    const now = record.ended.get(id);
    if (!now) broken.push(`${id} was reported ended and is open again`);
    else if (!same(now, end)) broken.push(`${id} was reported to have ended in another way`);
  }
  for (const { task, attempt, output } of worker.acknowledged.values()) {
    const end = record.ended.get(task);
    if (end?.state !== 'succeeded' || end.attempts !== attempt) {
      broken.push(`the result of ${task}#${attempt} was acknowledged and is not what ended the task`);
    } else if (!output || !end.output || !Buffer.from(output).equals(end.output)) {
      broken.push(`${task} ended with another output than was acknowledged`);
    }
  }
  for (const [id, times] of record.ends) if (times !== 1) broken.push(`${id} ended ${times} times`);
  return broken;
}

function same(a: TaskEnd, b: TaskEnd): boolean {
  const plain = (end: TaskEnd) => JSON.stringify({ ...end, output: end.output ? unpackPayload(end.output) : null });
  return plain(a) === plain(b);
}
