/** `rma placement`: for each workload, where it runs, could run or cannot run, and why. */
import type { PlacementView } from '@rma/protocol/view';
import type { Command } from 'commander';
import { type GlobalOptions, withClient } from './connect.js';
import { plainLine } from './plain.js';
import { coloured, print, printJson, printStatus } from './terminal.js';

type Workload = PlacementView['workloads'][number];
type Cell = PlacementView['workers'][number]['cells'][number] & { readonly worker: string };

/** Workers named per reason; the others are counted. */
const NAMED = 3;

export function addPlacementCommand(program: Command, finish: (status: number) => void): void {
  program
    .command('placement')
    .description('Shows where each workload of the catalogue runs, could run or cannot run, and why.')
    .argument('[workload]', 'only this workload')
    .addHelpText('after', '\nExamples:\n  rma placement\n  rma placement vllm-chat\n  rma placement --json')
    .action(async (workload: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      finish(await withClient(options, async (client) => show(await client.placement(), workload, options)));
    });
}

async function show(view: PlacementView, only: string | undefined, { json }: GlobalOptions): Promise<number> {
  const workloads = view.workloads.filter(({ workload }) => only === undefined || workload === only);
  if (workloads.length === 0) {
    printStatus(
      only === undefined
        ? 'the catalogue is empty'
        : `the catalogue has no workload '${only}': see \`rma catalog show\``,
    );
    return only === undefined ? 0 : 1;
  }
  if (json) {
    const cells = (all: readonly { workload: string }[]) =>
      all.filter(({ workload }) => only === undefined || workload === only);
    await printJson({ workloads, workers: view.workers.map((one) => ({ ...one, cells: cells(one.cells) })) });
    return 0;
  }
  for (const one of workloads) {
    const cells = view.workers.flatMap(({ worker, name, cells }) =>
      cells
        .filter(({ workload }) => workload === one.workload)
        .map((cell) => ({ ...cell, worker: name === worker ? worker : `${name} (${worker})` })),
    );
    await print(heading(one));
    for (const line of lines(cells)) await print(`  ${line}`);
    if (one.unmet !== undefined) await print(`  ${coloured('unmet', 'red').padEnd(10)} ${plainLine(one.unmet)}`);
  }
  return 0;
}

function heading({ workload, title, floor, ceiling, replicas, waiting, boundTo }: Workload): string {
  const parts = [
    `${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`,
    `wanted ${floor} to ${ceiling}`,
    ...(waiting > 0 ? [`${waiting} ${waiting === 1 ? 'task waits' : 'tasks wait'}`] : []),
    ...(boundTo === undefined ? [] : [`bound to its data on ${boundTo}`]),
  ];
  return plainLine(`${workload}: ${title} (${parts.join(', ')})`);
}

function lines(cells: readonly Cell[]): string[] {
  const text: string[] = [];
  const colours = { runs: 'green', embedded: 'green', starting: 'yellow', failing: 'red' } as const;
  for (const status of ['runs', 'starting', 'failing'] as const) {
    for (const cell of cells) {
      if (cell.status !== status) continue;
      const word = coloured(status.padEnd(9), colours[status]);
      text.push(`${word} ${plainLine(`${cell.worker}: ${cell.reason}`)}`);
    }
  }
  for (const status of ['embedded', 'could', 'cannot'] as const) {
    const byReason = new Map<string, string[]>();
    for (const cell of cells) {
      if (cell.status !== status) continue;
      const reason = status === 'embedded' ? 'runs inside the agent, on spare resources' : cell.reason;
      byReason.set(reason, [...(byReason.get(reason) ?? []), cell.worker]);
    }
    for (const [reason, workers] of byReason) {
      const who =
        workers.length > NAMED
          ? `${workers.slice(0, NAMED).join(', ')} and ${workers.length - NAMED} more`
          : workers.join(', ');
      const word = status === 'embedded' ? coloured(status.padEnd(9), 'green') : coloured(status.padEnd(9), 'dim');
      text.push(`${word} ${plainLine(`${who}: ${reason}`)}`);
    }
  }
  return text.length > 0 ? text : ['no worker yet'];
}
