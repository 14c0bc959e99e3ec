/** The options of `rma submit` that say where a task may run, as the protocol's constraints. */
import type { Constraints } from '@rma/protocol/task';
import { type Command, InvalidArgumentError, Option } from 'commander';

export interface ConstraintOptions {
  readonly tier?: number;
  readonly model?: string;
  /** MiB */
  readonly minVram?: number;
  readonly label?: Readonly<Record<string, string>>;
  readonly trusted?: boolean;
  readonly worker?: string;
}

export function addConstraintOptions(command: Command): void {
  const tier = new Option('--tier <tier>', 'only on workers of this tier or a higher one (1 is the highest)')
    .choices(['1', '2', '3'])
    .argParser((text) => {
      if (!/^[123]$/.test(text)) throw new InvalidArgumentError('the tiers are 1, 2 and 3.');
      return Number(text);
    });
  command
    .addOption(tier)
    .option('--model <name>', 'only on workers with this model (rma workers --json lists them)')
    .option(
      '--min-vram <size>',
      'only on workers with a GPU of at least this memory, for example 16GiB or 12000MiB',
      parseMiB,
    )
    .option('--label <key=value>', 'only on workers with this label; may be given several times', addLabel)
    .option('--trusted', 'only on trusted workers')
    .option('--worker <id>', 'only on this worker');
}

/** @returns undefined without any of the options */
export function constraintsOf(options: ConstraintOptions): Constraints | undefined {
  const constraints: Constraints = {
    ...(options.tier === undefined ? {} : { tier: options.tier }),
    ...(options.model === undefined ? {} : { model: options.model }),
    ...(options.minVram === undefined ? {} : { minVramMiB: options.minVram }),
    ...(options.label === undefined ? {} : { labels: { ...options.label } }),
    ...(options.trusted ? { trust: 'trusted' as const } : {}),
    ...(options.worker === undefined ? {} : { worker: options.worker }),
  };
  return Object.keys(constraints).length === 0 ? undefined : constraints;
}

const MIB_OF_UNIT: Readonly<Record<string, number>> = { mib: 1, gib: 1_024 };

function parseMiB(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim()) ?? [];
  const mib = Math.round(Number(number) * (MIB_OF_UNIT[unit.toLowerCase()] ?? Number.NaN));
  if (!(mib > 0)) throw new InvalidArgumentError('give a size with its unit, such as 16GiB or 12000MiB.');
  return mib;
}

function addLabel(text: string, labels: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('a label is KEY=VALUE, such as region=eu.');
  return { ...labels, [text.slice(0, at)]: text.slice(at + 1) };
}
