/**
 * The commands of `rma`, in the order of its help. Each group is a module that is imported only when the command line
 * names one of its commands: many commands run for 100 ms, so the load time of unused ones would be noticed.
 */
import type { Command } from 'commander';

/** Adds its commands. `finish` takes the exit status. */
type Add = (program: Command, finish: (status: number) => void) => void;

interface Group {
  readonly commands: readonly string[];
  readonly load: () => Promise<Add>;
}

const GROUPS: readonly Group[] = [
  { commands: ['submit'], load: async () => (await import('./submit-command.js')).addSubmitCommand },
  {
    commands: ['task', 'tasks', 'cancel', 'watch'],
    load: async () => (await import('./task-commands.js')).addTaskCommands,
  },
  { commands: ['workers', 'worker'], load: async () => (await import('./worker-commands.js')).addWorkerCommands },
  { commands: ['placement'], load: async () => (await import('./placement-command.js')).addPlacementCommand },
  { commands: ['catalog'], load: async () => (await import('./catalog-commands.js')).addCatalogCommands },
  { commands: ['stats', 'kinds', 'events'], load: async () => (await import('./pool-commands.js')).addPoolCommands },
  { commands: ['token'], load: async () => (await import('./token-commands.js')).addTokenCommands },
  { commands: ['join-command'], load: async () => (await import('./join-command.js')).addJoinCommand },
];

/** Options before the command whose value is the next argument. */
const WITH_VALUE = ['--url', '--token'];

/**
 * Loads what a command line may need: the group of its command, or all where it names none (help, a typo).
 * @returns what adds the commands, in the order of the help
 */
export async function commandsFor(args: readonly string[]): Promise<Add[]> {
  const named = firstWord(args);
  const group = GROUPS.find(({ commands }) => named !== undefined && commands.includes(named));
  if (group) return [await group.load()];
  const wantsVersionOnly = args.length === 1 && (args[0] === '-V' || args[0] === '--version');
  return wantsVersionOnly ? [] : Promise.all(GROUPS.map(({ load }) => load()));
}

function firstWord(args: readonly string[]): string | undefined {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (!arg.startsWith('-')) return arg;
    if (WITH_VALUE.includes(arg)) i++;
  }
  return undefined;
}
