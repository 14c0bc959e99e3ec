/**
 * `npm run simulate [-- OPTIONS]`: the coordinator's core, its turns and a store in memory with thousands of virtual workers
 * and clients on virtual time, held against a model of PROTOCOL.md (tests/simulator). It runs the sources: no build needed
 * but that of `protocol`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SourceLinker } from './source-linker.mjs';

const HELP = `Usage: npm run simulate -- [options]

  --steps N        events of each run (default 100000)
  --seed N         one seed (default 1)
  --seeds A-B      several
  --scenario FILE  what an earlier run made small
  --strict         what the present core is known to break (tests/simulator/rules.ts) ends a run, too
  --no-shrink      leave a scenario that fails as it is`;

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string' },
    scenario: { type: 'string' },
    strict: { type: 'boolean', default: false },
    'no-shrink': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

/** @param {string} line */
const say = (line) => void process.stdout.write(`${line}\n`);

if (values.help) say(HELP);
else {
  const linker = new SourceLinker(fileURLToPath(new URL('..', import.meta.url)));
  await linker.add('tests/simulator/command.ts');
  const { simulate } = /** @type {{simulate: (options: object) => boolean}} */ (
    linker.load('tests/simulator/command.ts')
  );
  const [first = 1, last = first] = (values.seeds ?? values.seed).split('-').map(Number);
  const seeds = Array.from({ length: last - first + 1 }, (_, n) => first + n);
  const isClean = simulate({
    steps: Number(values.steps),
    seeds,
    scenario: values.scenario === undefined ? undefined : JSON.parse(readFileSync(values.scenario, 'utf8')),
    strict: values.strict,
    shrinkRuns: values['no-shrink'] ? 0 : 400,
    say,
    keep: (/** @type {{seed: number}} */ scenario) => {
      const file = join(tmpdir(), `rma-simulate-${scenario.seed}.json`);
      writeFileSync(file, JSON.stringify(scenario));
      return file;
    },
  });
  process.exitCode = isClean ? 0 : 1;
}
