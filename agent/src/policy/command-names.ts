/** Which commands a donor has besides `rma-worker` itself. Apart from them, so that neither loads the other. */

const NAMES = ['pause', 'resume', 'status', 'leave', 'init'] as const;
export type DonorCommand = (typeof NAMES)[number];

/** For the help of `rma-worker` itself. */
export const COMMANDS_HELP = `
Commands for a machine that is lent (each with --help and --state DIR):
  rma-worker pause [--for 2h | --until 18:00]   no more tasks, disconnected, until then or until resume
  rma-worker resume                             ends a pause
  rma-worker status [--json]                    what it does, when it is lent
  rma-worker leave [--purge]                    leaves the pool for good; --purge: with the data of services
  rma-worker init                               writes a commented worker.yaml: hours, limits, allow-lists`;

/** Whether a command line is one of these. */
export function isDonorCommand(argv: readonly string[]): boolean {
  return NAMES.some((name) => name === argv[2]);
}
