import { commandsFor } from '@rma/client/cli/command-groups';
import { Command } from 'commander';
import { expect, it } from 'vitest';

async function names(...args: string[]): Promise<string[]> {
  const program = new Command('rma');
  for (const add of await commandsFor(args)) add(program, () => undefined);
  return program.commands.map((command) => command.name());
}

it('loads all commands for a line that names none, or none that there is', async () => {
  const all = await names();
  expect(all).toContain('submit');
  expect(await names('--help')).toEqual(all);
  expect(await names('help', 'submit')).toEqual(all);
  expect(await names('submitt', 'tasks')).toEqual(all);
  expect(await names('--token', 'submit')).toEqual(all);
});

it('loads what each command needs, and not all', async () => {
  const all = await names();
  for (const name of all) {
    const loaded = await names(name, '--help');
    expect(loaded).toContain(name);
    expect(loaded.length).toBeLessThan(all.length / 2);
    expect(await names('--url', 'http://localhost', '--json', name)).toEqual(loaded);
    expect(await names('--url=http://localhost', name)).toEqual(loaded);
  }
});

it('loads nothing for the version', async () => {
  expect(await names('--version')).toEqual([]);
});
