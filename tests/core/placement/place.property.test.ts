/** What holds of placement for any workers, catalogue and demand. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { Form } from '@rma/server/core/placement/form';
import { lacking, type Need, NOTHING, plus } from '@rma/server/core/placement/need';
import { type PlacementQuestion, place, type Replica, type Spot } from '@rma/server/core/placement/place';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { container, entry } from './entry.js';

const need = fc.record({
  cores: fc.integer({ min: 1, max: 4 }),
  memoryMiB: fc.integer({ min: 1, max: 8 }).map((n) => n * 256),
  vramMiB: fc.constantFrom(0, 0, 4_000, 8_000),
  diskMiB: fc.constantFrom(0, 1_000),
});

interface World {
  readonly catalog: CatalogEntry[];
  readonly needs: Need[];
  readonly machines: { room: Need; takes: boolean; tier: number; forbids: boolean[] }[];
  readonly demand: { kind: number; queued: number; slots: number; admits: boolean[] }[];
}

const ENTRIES = 5;
const MACHINES = 6;

const world: fc.Arbitrary<World> = fc.record({
  needs: fc.array(need, { minLength: ENTRIES, maxLength: ENTRIES }),
  catalog: fc
    .array(
      fc.record({
        floor: fc.integer({ min: 0, max: 2 }),
        more: fc.integer({ min: 0, max: 2 }),
        stateful: fc.boolean(),
        idleSeconds: fc.constantFrom(0, 120),
      }),
      { minLength: ENTRIES, maxLength: ENTRIES },
    )
    .map((wishes) =>
      wishes.map(({ floor, more, stateful, idleSeconds }, i) =>
        entry(`w${i}`, {
          container: container(),
          stateful,
          floor: stateful ? Math.min(1, floor) : floor,
          ceiling: stateful ? 1 : Math.max(1, floor + more),
          idleSeconds,
        }),
      ),
    ),
  machines: fc.array(
    fc.record({
      room: fc.record({
        cores: fc.integer({ min: 1, max: 8 }),
        memoryMiB: fc.integer({ min: 1, max: 16 }).map((n) => n * 256),
        vramMiB: fc.constantFrom(0, 8_000, 24_000),
        diskMiB: fc.constant(3_000),
      }),
      takes: fc.boolean(),
      tier: fc.integer({ min: 1, max: 4 }),
      forbids: fc.array(fc.boolean(), { minLength: ENTRIES, maxLength: ENTRIES }),
    }),
    { minLength: 1, maxLength: MACHINES },
  ),
  demand: fc.array(
    fc.record({
      kind: fc.integer({ min: 0, max: ENTRIES - 1 }),
      queued: fc.integer({ min: 1, max: 100 }),
      slots: fc.constantFrom(0, 0, 1, 4),
      admits: fc.array(fc.boolean(), { minLength: MACHINES, maxLength: MACHINES }),
    }),
    { maxLength: 4 },
  ),
});

type Running = Map<string, Map<string, { need: Need; sinceMs: number }>>;

function formsOf({ catalog, needs }: World, forbids: readonly boolean[], room: Need): Map<string, Form> {
  return new Map(
    catalog.map(({ name }, i) => {
      const wants = needs[i]!;
      const lack = forbids[i] ? 'is forbidden' : lacking(wants, NOTHING, room);
      return [
        name,
        lack === undefined
          ? { ok: true, runtime: 'docker', need: wants, takes: wants, container: container(), warm: false }
          : { ok: false, reason: lack },
      ];
    }),
  );
}

/** The question at a time; what runs is healthy, and idle unless something waits for it. */
function question(of: World, running: Running, nowMs: number, hasDemand = true): PlacementQuestion {
  const asked = new Set(hasDemand ? of.demand.map(({ kind }) => `w${kind}`) : []);
  const spots: Spot[] = of.machines.map(({ room, takes, tier, forbids }, i) => ({
    id: `m${i}`,
    takes,
    counts: takes,
    tier,
    room,
    foreignVramMiB: 0,
    busyMiB: 0,
    fillerMiB: 0,
    forms: formsOf(of, forbids, room),
    replicas: new Map(
      [...(running.get(`m${i}`) ?? [])].map(([name, { need: wants, sinceMs }]): [string, Replica] => [
        name,
        {
          need: wants,
          ranMs: nowMs - sinceMs,
          idleMs: asked.has(name) ? 0 : nowMs - sinceMs,
          state: 'healthy',
        },
      ]),
    ),
  }));
  return {
    catalog: of.catalog,
    spots,
    demands: (hasDemand ? of.demand : []).map(({ kind, queued, slots, admits }) => ({
      kind: `w${kind}.run`,
      model: undefined,
      queued,
      slots,
      coming: false,
      deepMs: 60_000,
      admits: (id) => admits[Number(id.slice(1))] === true,
    })),
    bindings: new Map(),
    frozen: false,
  };
}

function apply(of: World, running: Running, answer: ReturnType<typeof place>, nowMs: number): Running {
  const next: Running = new Map([...running].map(([id, its]) => [id, new Map(its)]));
  for (const { worker, workload } of answer.stops) next.get(worker)?.delete(workload);
  for (const { worker, workload } of answer.starts) {
    const its = next.get(worker) ?? new Map();
    its.set(workload, { need: of.needs[Number(workload.slice(1))]!, sinceMs: nowMs });
    next.set(worker, its);
  }
  return next;
}

/** Until nothing changes, at one moment. */
function settle(of: World, from: Running, nowMs: number, hasDemand = true): Running {
  let running = from;
  for (let round = 0; round < 20; round++) {
    const answer = place(question(of, running, nowMs, hasDemand));
    if (answer.starts.length === 0 && answer.stops.length === 0) return running;
    running = apply(of, running, answer, nowMs);
    checkRoom(of, running);
  }
  throw new Error('placement does not settle');
}

function checkRoom(of: World, running: Running): void {
  for (const [id, its] of running) {
    const { room } = of.machines[Number(id.slice(1))]!;
    const used = [...its.values()].reduce((sum, one) => plus(sum, one.need), NOTHING);
    // Of the disk it is the free part that is known: what was pulled is gone from it.
    expect(lacking({ ...used, diskMiB: 0 }, NOTHING, room)).toBeUndefined();
  }
}

const countOf = (of: World, running: Running, name: string) =>
  of.machines.filter(({ takes }, i) => takes && running.get(`m${i}`)?.has(name)).length;

it('never places more on a machine than it lends, and comes to rest', () => {
  fc.assert(
    fc.property(world, fc.array(fc.integer({ min: 0, max: 300_000 }), { maxLength: 5 }), (of, waits) => {
      let running: Running = new Map();
      let nowMs = 0;
      for (const [i, wait] of waits.entries()) {
        running = settle(of, running, nowMs, i % 2 === 0);
        nowMs += wait;
      }
    }),
    { numRuns: 300 },
  );
});

it('says the same of the same, in whatever order workers are found', () => {
  fc.assert(
    fc.property(world, (of) => {
      const asked = question(of, settle(of, new Map(), 0), 200_000, false);
      const turned = { ...asked, spots: asked.spots.toReversed() };
      expect(place(turned)).toEqual(place(asked));
    }),
  );
});

it('meets every floor that there is room for beside what it has to keep', () => {
  fc.assert(
    fc.property(world, (of) => {
      const running = settle(of, new Map(), 0);
      for (const [i, { name, floor }] of of.catalog.entries()) {
        if (countOf(of, running, name) >= floor) continue;
        for (const [m, { room, takes, forbids }] of of.machines.entries()) {
          const its = running.get(`m${m}`) ?? new Map();
          if (!takes || forbids[i] || its.has(name)) continue;
          const used = [...its.values()].reduce((sum, one) => plus(sum, { ...one.need, diskMiB: 0 }), NOTHING);
          const fits = lacking({ ...of.needs[i]!, diskMiB: 0 }, used, room) === undefined;
          expect(fits, `${name} has room on m${m}`).toBe(false);
        }
      }
    }),
    { numRuns: 300 },
  );
});

it('never runs more than the ceiling, nor anything where it may not run', () => {
  fc.assert(
    fc.property(world, (of) => {
      const running = settle(of, new Map(), 0);
      for (const [i, { name, ceiling }] of of.catalog.entries()) {
        expect(countOf(of, running, name)).toBeLessThanOrEqual(ceiling);
        for (const [m, { forbids, takes }] of of.machines.entries()) {
          if (running.get(`m${m}`)?.has(name)) expect([forbids[i], takes]).toEqual([false, true]);
        }
      }
    }),
  );
});

it('changes nothing while nothing changes, however long that is, but for what is idle', () => {
  fc.assert(
    fc.property(world, fc.integer({ min: 0, max: 10_000_000 }), (of, wait) => {
      const running = settle(of, new Map(), 0);
      const later = place(question(of, running, wait));
      const asked = new Set(of.demand.map(({ kind }) => `w${kind}`));
      expect(later.stops.filter(({ workload }) => asked.has(workload))).toEqual([]);
      if (wait < 60_000) expect([later.starts, later.stops]).toEqual([[], []]);
    }),
    { numRuns: 300 },
  );
});

it('ends nothing before its time, nothing that works, and nothing of a floor', () => {
  fc.assert(
    fc.property(world, fc.integer({ min: 0, max: 300_000 }), (of, wait) => {
      const first = settle(of, new Map(), 0);
      const { stops, starts } = place(question(of, first, wait, false));
      if (wait < 60_000) expect(stops).toEqual([]);
      const after = apply(of, first, { stops, starts, unmet: new Map() }, wait);
      for (const { name, floor } of of.catalog) {
        const before = countOf(of, first, name);
        expect(countOf(of, after, name)).toBeGreaterThanOrEqual(Math.min(before, floor));
      }
    }),
    { numRuns: 300 },
  );
});
