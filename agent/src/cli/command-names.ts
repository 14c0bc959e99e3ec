/**
 * The names of `rma-worker`'s subcommands. In a file of their own, so that starting the agent does not load the commands,
 * nor a command the agent.
 */

const COMMANDS = ['pause', 'resume', 'status', 'leave', 'init'] as const;
export type SubcommandName = (typeof COMMANDS)[number];

/** For the help of `rma-worker` itself. */
export const COMMANDS_HELP = `
Commands for the worker of this machine (each with --help and --state DIR):
  rma-worker pause [--for 2h | --until 18:00]   takes no tasks and disconnects, until then or until resume
  rma-worker resume                             ends a pause
  rma-worker status [--json]                    what it runs, and when it is available
  rma-worker leave [--purge]                    leaves the pool for good; --purge: removes the data of services, too
  rma-worker init                               writes a commented worker.yaml: schedule, caps, allow-lists`;

/** Whether a command line names one of them. */
export function isSubcommand(argv: readonly string[]): boolean {
  return COMMANDS.some((name) => name === argv[2]);
}
