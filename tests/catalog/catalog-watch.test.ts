/** A real coordinator and its catalogue's file: read at the start, again when it changes, and kept when it is wrong. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CatalogView, PlacementView, WorkerView } from '@rma/protocol/view';
import { CatalogError } from '@rma/server/catalog/catalog-file';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestCoordinator } from '../support/coordinator.js';
import { echoTask, workerHello } from '../support/peer.js';
import { eventually, Pool, usePool } from '../support/pool.js';

const catalog = (name: string, kind: string) =>
  `version: 1\nworkloads:\n  ${name}:\n    title: T\n    kinds: [${kind}]\n    container:\n      image: x:1\n      gpu: false\n      resources: { cores: 1, memoryMiB: 64 }\n      port: 80\n      api: rma\n      network: false\n`;
const engine = { name: 'docker', version: '27', gpu: false, diskFreeMiB: 10_000 };

describe('the file of --catalog', () => {
  let folder: string;
  let file: string;
  let pool: Pool;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rma-catalog-'));
    file = join(folder, 'mine.yaml');
    writeFileSync(file, catalog('first', 'first.run'));
    pool = new Pool();
    await pool.start({ catalog: file });
  });

  afterEach(async () => {
    await pool.settle();
    await pool.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is in force from the start, and the changed one soon after; a wrong one is refused with its line', async () => {
    const admin = await pool.admin();
    const show = async () => (await admin.ask({ type: 'query', query: { what: 'catalog' } })) as CatalogView;
    expect(await show()).toMatchObject({ source: file, workloads: [{ workload: 'first' }] });
    await admin.ask({ type: 'subscribe', topic: 'events' });
    writeFileSync(file, catalog('second', 'second.run'));
    await eventually(async () => expect((await show()).workloads).toMatchObject([{ workload: 'second' }]));
    writeFileSync(file, catalog('third', 'third.run').replace('cores', 'coers'));
    await eventually(async () => expect((await show()).refused).toContain(`${file}:9:20: workloads.third`));
    expect(await show()).toMatchObject({ workloads: [{ workload: 'second' }] });
    const types: string[] = [];
    await eventually(async () => {
      types.push(...(await admin.waitFor('events')).events.map(({ type }) => type));
      expect(types).toEqual(expect.arrayContaining(['catalog.changed', 'catalog.refused']));
    });
  });

  it('places what it names: a waiting task wakes its workload, and the worker gets its container', async () => {
    const { peer, id } = await pool.worker({ engine, kinds: [] });
    const client = await pool.client();
    const task = echoTask(null, { kind: 'first.run' });
    client.send({ type: 'submit', tasks: [task] });
    const { assignment } = await peer.waitFor('assign');
    expect(assignment.workloads).toMatchObject([
      { workload: 'first', container: { image: 'x:1', kinds: ['first.run'] } },
    ]);
    peer.send({
      type: 'services',
      services: [
        { name: 'first', workload: 'first', runtime: 'docker', state: 'healthy', kinds: ['first.run'], slots: 1 },
      ],
    });
    expect((await peer.waitFor('dispatch')).tasks[0]?.task).toBe(task.id);
    const admin = await pool.admin();
    const view = (await admin.ask({ type: 'query', query: { what: 'placement' } })) as PlacementView;
    expect(view.workers).toMatchObject([{ worker: id, cells: [{ workload: 'first', status: 'runs' }] }]);
  });

  it('is needed at the start: one with a mistake, or a missing file that was named, fails the start', async () => {
    writeFileSync(file, 'workloads: {}\n');
    const start = startTestCoordinator({ catalog: file });
    await expect(start).rejects.toThrow(CatalogError);
    await expect(start).rejects.toThrow(`${file}:1:1: the catalogue: needs version`);
    await expect(startTestCoordinator({ catalog: join(folder, 'none.yaml') })).rejects.toThrow('cannot be read');
  });
});

describe('lists that grow with the pool', () => {
  const pool = usePool();

  it('come in pages, by id: workers, tokens and placement', async () => {
    for (let n = 0; n < 5; n++) await pool.worker({ name: `m${n}` });
    const admin = await pool.admin();
    const ids: string[] = [];
    for (;;) {
      const after = ids.at(-1);
      const query = { what: 'workers', limit: 2, ...(after === undefined ? {} : { after }) } as const;
      const page = (await admin.ask({ type: 'query', query })) as WorkerView[];
      if (page.length === 0) break;
      expect(page.length).toBeLessThanOrEqual(2);
      ids.push(...page.map(({ id }) => id));
    }
    expect(ids).toHaveLength(5);
    expect(ids).toEqual([...ids].sort());
    const tokens = (await admin.ask({ type: 'query', query: { what: 'tokens', limit: 1 } })) as { id: string }[];
    expect(tokens).toHaveLength(1);
    const rest = await admin.ask({ type: 'query', query: { what: 'tokens', after: tokens[0]!.id } });
    expect(rest).not.toContainEqual(expect.objectContaining({ id: tokens[0]!.id }));
    const view = (await admin.ask({ type: 'query', query: { what: 'placement', limit: 3 } })) as PlacementView;
    expect(view.workers.map(({ worker }) => worker)).toEqual(ids.slice(0, 3));
  });

  it('fit into a frame however much each worker reports', async () => {
    const notes = Array.from({ length: 32 }, () => 'n'.repeat(300));
    const { hardware } = workerHello();
    for (let n = 0; n < 120; n++) {
      const { peer } = await pool.worker({ name: `big${n}`, hardware: { ...hardware, notes } });
      await peer.close();
    }
    const admin = await pool.admin();
    const page = (await admin.ask({ type: 'query', query: { what: 'workers' } })) as WorkerView[];
    expect(page.length).toBeLessThan(120);
    expect(JSON.stringify(page).length).toBeLessThan(600_000);
  });
});
