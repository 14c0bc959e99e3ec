/** Whatever clients, workers, time and the coordinator's own death do: no accepted task is lost, and none ends twice. */
import { packPayload } from '@rma/protocol/payload';
import type { Stored } from '@rma/server/core/restore';
import { openDatabase } from '@rma/server/store/sqlite';
import { migrate, SqliteStore } from '@rma/server/store/sqlite-store';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Outcome } from './agent-model.js';
import { bytes } from './peer.js';
import { Simulation, type SimulationAction, type Step } from './simulation.js';

const pick = fc.nat(30);
const agent = fc.nat(2);
const client = fc.nat(1);

const fields = fc.record(
  {
    kind: fc.constantFrom('echo', 'ocr.read'),
    priority: fc.integer({ min: -1, max: 1 }),
    input: fc.integer({ min: 0, max: 3_000 }).map((length) => bytes('x'.repeat(length))),
    maxAttempts: fc.integer({ min: 1, max: 3 }),
    backoffMs: fc.constantFrom(0, 1_000),
    timeoutMs: fc.constantFrom(1_000, 60_000),
    ttlMs: fc.constantFrom(1, 2_000, 60_000),
    notBefore: fc.constantFrom(0, 500, 5_000),
    constraints: fc.constantFrom({}, { labels: { site: 'a' } }, { tier: 3 }),
  },
  { requiredKeys: [] },
);

const action: fc.Arbitrary<SimulationAction> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      client,
      tasks: fc.array(fields, { minLength: 1, maxLength: 6 }),
      watch: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('submit again' as const), pick }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('cancel' as const, 'watch' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unwatch' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), client }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('connect' as const), agent, pick }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('restart' as const, 'disconnect' as const, 'confirm stops' as const, 'repeat' as const),
      agent,
      pick,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forge' as const), agent, pick }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('finish' as const),
      agent,
      pick,
      outcome: fc.constantFrom<Outcome>('ok', 'ok', 'ok', 'fail', 'fail for good', 'refuse', 'hand back'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('chunk' as const), agent, pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('slots' as const), agent, slots: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const), agent, draining: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(100, 2_000, 9_000, 50_000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('crash' as const), at: fc.constantFrom('before commit', 'after commit') }),
  },
);

const steps: fc.Arbitrary<Step[]> = fc.array(fc.record({ action, held: fc.nat(3).map((n) => n === 0) }), {
  minLength: 5,
  maxLength: 60,
  size: 'max',
});

/** More for a longer search by hand. */
const numRuns = Number(process.env.RMA_TEST_RUNS ?? 100);

it('every accepted task ends exactly once, and nothing is left over', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const simulation = new Simulation();
      simulation.run(list);
      simulation.rest();
    }),
    { numRuns },
  );
});

/** What was stored, whatever the order of its rows, and without owners of nothing. */
function sorted(stored: Stored): Record<string, unknown> {
  const lists = { ...stored, owners: stored.owners.filter(({ open }) => open > 0) };
  const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  return Object.fromEntries(
    Object.entries(lists).map(([name, value]) => [name, Array.isArray(value) ? value.toSorted(byText) : value]),
  );
}

it('on SQLite all of it happens just so', () => {
  const sent = (simulation: Simulation) =>
    simulation.log.map((entry) => Buffer.from(packPayload(entry)).toString('latin1'));
  fc.assert(
    fc.property(steps, (list) => {
      const database = openDatabase(':memory:');
      try {
        migrate(database);
        const onDisk = new Simulation(new SqliteStore(database));
        const inMemory = new Simulation();
        for (const simulation of [onDisk, inMemory]) {
          simulation.run(list);
          simulation.rest();
        }
        expect(sent(onDisk)).toEqual(sent(inMemory));
        expect(sorted(onDisk.pool.store.load())).toEqual(sorted(inMemory.pool.store.load()));
      } finally {
        database.close();
      }
    }),
    { numRuns: Math.ceil(numRuns / 10) },
  );
});
