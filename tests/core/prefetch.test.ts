/** Rows are fetched for a turn within a bound, each once, and what would need more waits for the next turn. */
import type { Input } from '@rma/server/core/inputs';
import { runTurnSync, Turns } from '@rma/server/runtime/turn';
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, WorkerPeer } from './peer.js';

const INPUT_BYTES = 60_000;

/** Tasks of 60 KB that have ended, so that only the store has them. */
function withEnded(tasks: number) {
  const pool = new Pool();
  const alice = new Client(pool);
  const worker = new WorkerPeer(pool);
  const ids: string[] = [];
  for (let i = 0; i < tasks; i++) {
    ids.push(...alice.submit({ input: new Uint8Array(INPUT_BYTES) }));
    worker.succeed(worker.dispatched(), 'done');
  }
  alice.read();
  return { pool, alice, ids };
}

/** Runs one turn on these inputs, and counts what it asks of the store. */
function turnOn(pool: Pool, inputs: Input[]) {
  const asked: string[] = [];
  const blobs: string[] = [];
  const turns = new Turns({
    store: {
      fetch: (ids) => {
        asked.push(...ids);
        return pool.store.fetch(ids);
      },
      findBlob: (owner, blob) => {
        blobs.push(blob);
        return pool.store.findBlob(owner, blob);
      },
      due: () => [],
      claim: (...args) => pool.store.claim(...args),
      commit: (...args) => pool.store.commit(...args),
    },
    perform: () => undefined,
  });
  function* arrived(): Generator<Input> {
    while (inputs.length > 0) yield inputs.shift()!;
  }
  const { nowMs, wallMs, random } = pool;
  runTurnSync(turns.turn(pool.state, arrived(), { nowMs, wallMs, random }));
  return { asked, blobs };
}

describe('a turn', () => {
  it('takes no further input once those it took needed 4 MiB of rows', () => {
    const { pool, alice, ids } = withEnded(300);
    const inputs = ids.map(
      (task): Input => ({ type: 'message', session: alice.session, message: { type: 'watch', tasks: [{ task }] } }),
    );
    const { asked } = turnOn(pool, inputs);
    expect(asked.length * INPUT_BYTES).toBeGreaterThan(4 * 1_048_576);
    expect(asked.length).toBeLessThanOrEqual(128);
    expect(inputs).toHaveLength(300 - asked.length);
  });

  it('fetches a row once, and looks for a blob once, whoever names it how often', () => {
    const { pool, alice, ids } = withEnded(1);
    const blob = 'ab'.repeat(32);
    const watch = { type: 'watch', tasks: ids.map((task) => ({ task })) } as const;
    const submit = {
      type: 'submit',
      tasks: [{ id: ids[0]!, kind: 'echo', input: new Uint8Array([0xc0]), blobs: [blob, blob] }],
    } as const;
    const inputs: Input[] = [];
    for (let i = 0; i < 300; i++) {
      inputs.push({ type: 'message', session: alice.session, message: { ...watch, tasks: [...watch.tasks] } });
      const tasks = submit.tasks.map((task) => ({ ...task, blobs: [...task.blobs] }));
      inputs.push({ type: 'message', session: alice.session, message: { type: 'submit', tasks } });
    }
    expect(turnOn(pool, inputs)).toEqual({ asked: ids, blobs: [blob] });
    expect(inputs).toEqual([]);
  });
});
