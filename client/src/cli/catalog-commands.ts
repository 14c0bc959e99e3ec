/** `rma catalog …`: validates a catalogue file, pins its images, and shows the catalogue in use. */
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imagesOf, problemLines, readCatalog, withDigests } from '@rma/protocol/catalog-text';
import { errorMessage } from '@rma/protocol/error';
import type { CatalogView } from '@rma/protocol/view';
import type { Command } from 'commander';
import { UsageError } from '../usage-error.js';
import { type GlobalOptions, withClient } from './connect.js';
import { resolveDigest } from './image-registry.js';
import { plainLine } from './plain.js';
import { table } from './table.js';
import { print, printError, printJson, printStatus } from './terminal.js';

const FILE = 'the catalogue file (default: catalog.yaml in RMA_DATA or ./data, else in this directory)';

export function addCatalogCommands(program: Command, finish: (status: number) => void): void {
  const catalog = program
    .command('catalog')
    .description('Validates, pins or shows the catalogue: what can run in the pool.')
    .addHelpText('after', '\nExamples:\n  rma catalog check catalog.yaml\n  rma catalog pin\n  rma catalog show');

  catalog
    .command('check')
    .description('Validates a catalogue; reports every error with file, line and column. Needs no coordinator.')
    .argument('[file]', FILE)
    .action(async (file: string | undefined, _: unknown, command: Command) => {
      finish(await check(file ?? findFile(), command.optsWithGlobals<GlobalOptions>()));
    });
  catalog
    .command('pin')
    .description(
      'Looks up the digest of each image in its registry and writes it next to the tag. Needs no coordinator.',
    )
    .argument('[file]', FILE)
    .option('--only <workload>', 'only this workload')
    .addHelpText('after', '\nOnly digests that a registry confirmed are written; the rest of the file is unchanged.')
    .action(async (file: string | undefined, _: unknown, command: Command) => {
      finish(await pin(file ?? findFile(), command.optsWithGlobals<GlobalOptions & { only?: string }>()));
    });
  catalog
    .command('show')
    .description('Lists the workloads of the catalogue that the coordinator uses now.')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      finish(await withClient(options, async (client) => show(await client.catalog(), options)));
    });
}

function findFile(): string {
  const candidates = [join(process.env.RMA_DATA ?? 'data', 'catalog.yaml'), 'catalog.yaml'];
  const found = candidates.find((file) => existsSync(file));
  if (found === undefined) throw new UsageError(`name a catalogue file: there is no ${candidates.join(' and no ')}`);
  return found;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${errorMessage(error)}`);
  }
}

async function check(file: string, { json }: GlobalOptions): Promise<number> {
  const reading = readCatalog(textOf(file));
  if (!reading.ok) {
    if (json) await printJson({ ok: false, faults: reading.problems });
    else printError(`errors in the catalogue:\n${problemLines(file, reading.problems)}`);
    return 1;
  }
  const images = imagesOf(reading.entries);
  const unpinned = images.filter(({ digest }) => digest === undefined).length;
  if (json) await printJson({ ok: true, workloads: reading.entries.map(({ name }) => name), unpinned });
  else {
    const pinned = unpinned === 0 ? 'all images are pinned' : `${unpinned} of ${images.length} images are not pinned`;
    await print(plainLine(`${file} is valid: ${reading.entries.length} workloads, ${pinned}`));
  }
  return 0;
}

async function pin(file: string, { json, only }: GlobalOptions & { only?: string }): Promise<number> {
  const text = textOf(file);
  const reading = readCatalog(text);
  if (!reading.ok) {
    printError(`fix the catalogue first:\n${problemLines(file, reading.problems)}`);
    return 1;
  }
  const images = imagesOf(reading.entries).filter(({ workload }) => only === undefined || workload === only);
  if (only !== undefined && images.length === 0)
    throw new UsageError(`${file} has no workload '${only}' with an image`);
  const answers = new Map<string, Promise<string>>();
  for (const { image } of images) {
    if (!answers.has(image)) answers.set(image, resolveDigest(image));
  }
  await Promise.allSettled(answers.values());
  const digests = new Map<string, string>();
  const results: { workload: string; image: string; digest?: string; changed?: boolean; error?: string }[] = [];
  for (const { workload, image, digest: before } of images) {
    try {
      const digest = await answers.get(image)!;
      digests.set(workload, digest);
      results.push({ workload, image, digest, changed: digest !== before });
    } catch (error) {
      results.push({ workload, image, error: errorMessage(error) });
    }
  }
  const pinned = withDigests(text, digests);
  if (pinned !== text) replaceFile(file, pinned);
  if (json) await printJson(results);
  else {
    const rows = results.map(({ workload, image, digest, changed, error }) => [
      workload,
      image,
      error === undefined ? `${changed ? 'pinned' : 'unchanged'} ${digest}` : `not pinned: ${error}`,
    ]);
    await print(table(['WORKLOAD', 'IMAGE', 'DIGEST'], rows));
    printStatus(pinned === text ? `${file} is unchanged` : `wrote ${file}`);
  }
  return results.some(({ error }) => error !== undefined) ? 1 : 0;
}

/** Replaces the file atomically: the coordinator may read it at any moment. */
function replaceFile(file: string, text: string): void {
  const draft = `${file}.${process.pid}.new`;
  writeFileSync(draft, text, { mode: statSync(file).mode });
  renameSync(draft, file);
}

async function show(view: CatalogView, { json }: GlobalOptions): Promise<number> {
  if (json) {
    await printJson(view);
    return 0;
  }
  const rows = view.workloads.map((one) => [
    one.workload,
    one.tier === null ? '' : String(one.tier),
    one.everywhere ? 'everywhere' : `${one.floor} to ${one.ceiling}`,
    [one.trusted ? 'trusted' : '', one.stateful ? 'stateful' : ''].filter(Boolean).join(', '),
    one.kinds.join(', '),
    [one.image && `${one.image}${one.digest ? '' : ' (not pinned)'}`, one.embedded && `embedded ${one.embedded}`]
      .filter(Boolean)
      .join(', else '),
  ]);
  await print(table(['WORKLOAD', 'TIER', 'REPLICAS', 'REQUIRES', 'KINDS', 'RUNS AS'], rows));
  printStatus(`from ${view.source}`);
  if (view.refused !== undefined) printError(`a newer version was rejected for these errors:\n${view.refused}`);
  return 0;
}
