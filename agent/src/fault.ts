/** Errors that end the agent: an exit status, and a message that says what to do. */

/** Exit statuses of `rma-worker`. */
export const EXIT = {
  done: 0,
  /** Wrong options, or a state directory that cannot be used. */
  setup: 1,
  /** The coordinator speaks another version of the protocol. */
  version: 2,
  /** The coordinator refuses this worker: its token is wrong, or it was revoked. */
  refused: 3,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

export class AgentFault extends Error {
  constructor(
    message: string,
    readonly exitStatus: ExitStatus = EXIT.setup,
  ) {
    super(message);
    this.name = 'AgentFault';
  }
}
