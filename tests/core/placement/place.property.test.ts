/** Properties of placement for any workers, catalogue and demand. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { Eligibility } from '@rma/server/core/placement/eligibility';
import type { NodeState, Replica } from '@rma/server/core/placement/node';
import { place } from '@rma/server/core/placement/place';
import type { PlacementInput } from '@rma/server/core/placement/plan';
import { add, NO_RESOURCES, type Resources, shortage } from '@rma/server/core/placement/resources';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { container, entry } from './catalog-fixtures.js';

const need = fc.record({
  cores: fc.integer({ min: 1, max: 4 }),
  memoryMiB: fc.integer({ min: 1, max: 8 }).map((n) => n * 256),
  vramMiB: fc.constantFrom(0, 0, 4_000, 8_000),
  diskMiB: fc.constantFrom(0, 1_000),
});

interface World {
  readonly catalog: CatalogEntry[];
  readonly needs: Resources[];
  readonly machines: { capacity: Resources; accepts: boolean; tier: number; forbids: boolean[] }[];
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
    .map((overrides) =>
      overrides.map(({ floor, more, stateful, idleSeconds }, i) =>
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
      capacity: fc.record({
        cores: fc.integer({ min: 1, max: 8 }),
        memoryMiB: fc.integer({ min: 1, max: 16 }).map((n) => n * 256),
        vramMiB: fc.constantFrom(0, 8_000, 24_000),
        diskMiB: fc.constant(3_000),
      }),
      accepts: fc.boolean(),
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

type Running = Map<string, Map<string, { reserved: Resources; sinceMs: number }>>;

function eligibilities(
  { catalog, needs }: World,
  forbids: readonly boolean[],
  capacity: Resources,
): Map<string, Eligibility> {
  return new Map(
    catalog.map(({ name }, i) => {
      const requires = needs[i]!;
      const reason = forbids[i] ? 'is forbidden' : shortage(requires, NO_RESOURCES, capacity);
      return [
        name,
        reason === undefined
          ? { ok: true, runtime: 'docker', requires, reserves: requires, container: container(), warm: false }
          : { ok: false, reason },
      ];
    }),
  );
}

/** Placement's input at a time; what runs is healthy, and idle unless tasks wait for it. */
function inputAt(of: World, running: Running, nowMs: number, hasDemand = true): PlacementInput {
  const wanted = new Set(hasDemand ? of.demand.map(({ kind }) => `w${kind}`) : []);
  const nodes: NodeState[] = of.machines.map(({ capacity, accepts, tier, forbids }, i) => ({
    id: `m${i}`,
    accepts,
    present: accepts,
    tier,
    capacity,
    foreignVramMiB: 0,
    busyBestEffortMiB: 0,
    bestEffortMiB: 0,
    eligibility: eligibilities(of, forbids, capacity),
    replicas: new Map(
      [...(running.get(`m${i}`) ?? [])].map(([name, { reserved, sinceMs }]): [string, Replica] => [
        name,
        {
          reserved,
          ranMs: nowMs - sinceMs,
          idleMs: wanted.has(name) ? 0 : nowMs - sinceMs,
          state: 'healthy',
        },
      ]),
    ),
  }));
  return {
    catalog: of.catalog,
    nodes,
    candidates: () => nodes,
    demands: (hasDemand ? of.demand : []).map(({ kind, queued, slots, admits }) => ({
      kind: `w${kind}.run`,
      model: undefined,
      queued,
      slots,
      serviceStarting: false,
      backlogMs: 60_000,
      admits: (id) => admits[Number(id.slice(1))] === true,
      candidates: () => nodes,
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
    its.set(workload, { reserved: of.needs[Number(workload.slice(1))]!, sinceMs: nowMs });
    next.set(worker, its);
  }
  return next;
}

/** Until nothing changes, at one moment. */
function settle(of: World, from: Running, nowMs: number, hasDemand = true): Running {
  let running = from;
  for (let round = 0; round < 20; round++) {
    const answer = place(inputAt(of, running, nowMs, hasDemand));
    if (answer.starts.length === 0 && answer.stops.length === 0) return running;
    running = apply(of, running, answer, nowMs);
    checkCapacity(of, running);
  }
  throw new Error('placement does not settle');
}

function checkCapacity(of: World, running: Running): void {
  for (const [id, its] of running) {
    const { capacity } = of.machines[Number(id.slice(1))]!;
    const used = [...its.values()].reduce((sum, one) => add(sum, one.reserved), NO_RESOURCES);
    // Disk capacity is what is free now: images that were pulled are no longer part of it.
    expect(shortage({ ...used, diskMiB: 0 }, NO_RESOURCES, capacity)).toBeUndefined();
  }
}

const countOf = (of: World, running: Running, name: string) =>
  of.machines.filter(({ accepts }, i) => accepts && running.get(`m${i}`)?.has(name)).length;

it('never reserves more than a machine has, and converges', () => {
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

it('gives the same answer for the same input, whatever the order of the workers', () => {
  fc.assert(
    fc.property(world, (of) => {
      const input = inputAt(of, settle(of, new Map(), 0), 200_000, false);
      const nodes = input.nodes.toReversed();
      const turned = { ...input, nodes, candidates: () => nodes };
      expect(place(turned)).toEqual(place(input));
    }),
  );
});

it('meets every floor that fits beside what it has to keep', () => {
  fc.assert(
    fc.property(world, (of) => {
      const running = settle(of, new Map(), 0);
      for (const [i, { name, floor }] of of.catalog.entries()) {
        if (countOf(of, running, name) >= floor) continue;
        for (const [m, { capacity, accepts, forbids }] of of.machines.entries()) {
          const its = running.get(`m${m}`) ?? new Map();
          if (!accepts || forbids[i] || its.has(name)) continue;
          const used = [...its.values()].reduce((sum, one) => add(sum, { ...one.reserved, diskMiB: 0 }), NO_RESOURCES);
          const fits = shortage({ ...of.needs[i]!, diskMiB: 0 }, used, capacity) === undefined;
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
        for (const [m, { forbids, accepts }] of of.machines.entries()) {
          if (running.get(`m${m}`)?.has(name)) expect([forbids[i], accepts]).toEqual([false, true]);
        }
      }
    }),
  );
});

it('is stable: while the input stays the same, only idle replicas are stopped, however long that is', () => {
  fc.assert(
    fc.property(world, fc.integer({ min: 0, max: 10_000_000 }), (of, wait) => {
      const running = settle(of, new Map(), 0);
      const later = place(inputAt(of, running, wait));
      const asked = new Set(of.demand.map(({ kind }) => `w${kind}`));
      expect(later.stops.filter(({ workload }) => asked.has(workload))).toEqual([]);
      if (wait < 60_000) expect([later.starts, later.stops]).toEqual([[], []]);
    }),
    { numRuns: 300 },
  );
});

it('stops nothing before its minimum run time, nothing busy, and nothing below a floor', () => {
  fc.assert(
    fc.property(world, fc.integer({ min: 0, max: 300_000 }), (of, wait) => {
      const first = settle(of, new Map(), 0);
      const { stops, starts } = place(inputAt(of, first, wait, false));
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
