/** The tier and the workloads of a machine. */
import { assign as assignment } from '@rma/server/core/placement/assign';
import { emptyCatalog } from '@rma/server/core/placement/catalog-state';
import { expect, it } from 'vitest';
import { machine } from './peer.js';

const workload = (name: string, cores: number, memoryMiB: number) => ({
  workload: name,
  kinds: [name],
  cores,
  memoryMiB,
});

function assign(
  hardware: ReturnType<typeof machine>,
  available: ReturnType<typeof workload>[],
  pinned: 1 | 2 | 3 | null,
  trusted = false,
) {
  const lent = { tier: pinned, trusted, hardware, available, engine: undefined, policy: undefined };
  return assignment(lent, pinned, [], emptyCatalog());
}

it.each([1, 2, 3, null] as const)('a machine of tier %s is given it, with reasons', (tier) => {
  const given = assign(machine(tier), [], null);
  expect(given).toMatchObject({ tier, pinned: false, workloads: [], declined: [] });
  expect(given.reasons.length).toBeGreaterThan(0);
});

it('a pinned tier stands, first among the reasons', () => {
  const { tier, pinned, reasons } = assign(machine(null), [], 2);
  expect({ tier, pinned, first: reasons[0] }).toEqual({ tier: 2, pinned: true, first: 'tier 2: pinned by an admin' });
});

it('embedded workloads are given while they fit beside each other, below any tier, too', () => {
  const { workloads, declined } = assign(
    machine(null),
    [workload('ocr', 1, 400), workload('embed', 1, 300), workload('ner', 1, 200), workload('echo', 1, 50)],
    null,
  );
  expect(workloads.map((one) => one.workload)).toEqual(['ocr', 'embed', 'echo']);
  expect(declined).toEqual([{ workload: 'ner', reason: 'needs 200 MiB, 119 MiB of 819 are left' }]);
});

it('a workload that needs more cores than there are is declined, with both figures', () => {
  const { declined } = assign(machine(3), [workload('llm', 8, 10)], null);
  expect(declined).toEqual([{ workload: 'llm', reason: 'needs 8 cores, the machine lends 2' }]);
});

it('what holds documents is given to trusted machines only, and a data service to none that the catalogue does not name', () => {
  const brought = [workload('rag.query', 1, 10), { ...workload('postgres', 1, 10), kinds: [] }];
  expect(assign(machine(3), brought, null).declined).toEqual([
    { workload: 'rag.query', reason: 'runs on trusted machines only' },
    { workload: 'postgres', reason: 'is not in the catalogue' },
  ]);
  expect(assign(machine(3), brought, null, true).workloads.map((one) => one.workload)).toEqual(['rag.query']);
});
