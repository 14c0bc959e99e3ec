/** `rma-worker pause | resume | status | leave | init`: through the control socket of a running agent, else on disk. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createLog } from '@rma/workloads/log';
import { Command } from 'commander';
import type { LeaveReply } from '../control/control-address.js';
import { sendControl } from '../control/control-client.js';
import { type AgentStatus, statusText } from '../control/status.js';
import { AgentFault } from '../fault.js';
import { parseDuration, parseUntil, timeText } from '../policy/human-time.js';
import { readPause, writePause } from '../policy/pause-file.js';
import { localTimeZone } from '../policy/schedule.js';
import { writeTemplate } from '../policy/template.js';
import { defaultStateDir, readIdentity } from '../state/state-dir.js';
import type { SubcommandName } from './command-names.js';

/** @returns the exit status @throws AgentFault */
export async function runSubcommand(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let status = 0;
  const program = new Command('rma-worker');
  const command = (name: SubcommandName, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option('--state <DIR>', 'the state directory of the worker', defaultStateDir(env))
      .allowExcessArguments(false)
      .showHelpAfterError('(--help lists all options)');
  command('pause', 'Takes no new tasks, ends the running ones as worker.yaml says (whenClosed), then disconnects.')
    .option('--for <TIME>', 'such as 30m, 2h, 1d')
    .option('--until <TIME>', 'such as 18:00, or 2027-01-31T18:00')
    .action(pause);
  command('resume', 'Ends a pause.').action(resume);
  command('status', 'What this worker runs, and when it is available. Exit status 0: it runs, 4: it does not.')
    .option('--json', 'as JSON')
    .action(async (options: { state: string; json?: true }) => {
      status = await printStatus(options);
    });
  command('leave', 'Leaves the pool for good: the credential is revoked and deleted, containers are removed.')
    .option(
      '--purge',
      'remove data, too: the volumes of services, and everything in the state directory but worker.yaml',
    )
    .option('--grace <SECONDS>', 'how long running tasks may continue', '5')
    .action(leave);
  command('init', 'Writes a commented worker.yaml to edit.')
    .option('--config <FILE>', 'where to write it (default: worker.yaml in the state directory)')
    .option('--url <URL>', "the coordinator's address")
    .option('--token-file <FILE>', 'a file that holds the join token')
    .option('--name <NAME>', "the machine's display name")
    .action(init);
  await program.parseAsync([...argv]);
  return status;
}

async function pause({ state, for: length, until }: { state: string; for?: string; until?: string }): Promise<void> {
  if (length !== undefined && until !== undefined)
    throw new AgentFault('--for and --until were both given; one is enough.');
  const now = Date.now();
  const untilMs =
    length !== undefined ? now + parseDuration(length) : until !== undefined ? parseUntil(until, now) : undefined;
  const status = (await sendControl(state, { do: 'pause', ...(untilMs === undefined ? {} : { untilMs }) })) as
    | AgentStatus
    | undefined;
  const end = untilMs === undefined ? 'until `rma-worker resume`' : `until ${timeText(untilMs, localTimeZone())}`;
  if (status === undefined) {
    mkdirSync(state, { recursive: true, mode: 0o700 });
    writePause(state, { untilMs });
    say(`paused ${end}; no rma-worker runs on ${state} now, the next one starts paused`);
    return;
  }
  const { runningTasks: tasks } = status;
  say(
    `paused ${end}${tasks === 0 ? '' : `; ${tasks} running ${tasks === 1 ? 'task ends' : 'tasks end'} as worker.yaml says`}`,
  );
}

async function resume({ state }: { state: string }): Promise<void> {
  const status = (await sendControl(state, { do: 'resume' })) as AgentStatus | undefined;
  if (status === undefined) {
    const was = readPause(state);
    writePause(state, undefined);
    say(`${was === undefined ? 'was not paused' : 'not paused any more'}; no rma-worker runs on ${state} now`);
    return;
  }
  const { lending } = status;
  say(lending.state === 'open' ? 'not paused any more' : `not paused any more, but unavailable: ${lending.reason}`);
}

async function printStatus({ state, json }: { state: string; json?: true }): Promise<number> {
  const status = (await sendControl(state, { do: 'status' })) as AgentStatus | undefined;
  if (status !== undefined) {
    process.stdout.write(`${json ? JSON.stringify(status, null, 2) : statusText(status)}\n`);
    return 0;
  }
  const identity = readIdentity(state);
  const paused = readPause(state);
  if (json) {
    const worker =
      identity === undefined ? {} : { worker: { id: identity.id, name: identity.name }, pool: identity.url };
    const until = paused?.untilMs === undefined ? {} : { until: new Date(paused.untilMs).toISOString() };
    const value = { running: false, stateDir: state, ...worker, paused: paused !== undefined, ...until };
    process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
    return 4;
  }
  const member = identity === undefined ? 'it has not joined a pool' : `it is ${identity.id} at ${identity.url}`;
  say(`no rma-worker runs on ${state}; ${member}${paused === undefined ? '' : '; paused'}`);
  return 4;
}

interface LeaveFlags {
  readonly state: string;
  readonly purge?: true;
  readonly grace: string;
}

async function leave({ state, purge = false, grace }: Omit<LeaveFlags, 'purge'> & { purge?: boolean }): Promise<void> {
  const graceMs = Number(grace) * 1_000;
  if (!Number.isFinite(graceMs) || graceMs < 0) throw new AgentFault('--grace: give a number of seconds, such as 5.');
  const answer = (await sendControl(state, { do: 'leave', purge, graceMs }, graceMs + 60_000)) as
    | LeaveReply
    | undefined;
  const { told: confirmed, worker } = answer ?? (await leaveWithoutAgent(state, purge));
  if (confirmed) say(`${worker} left the pool for good`);
  else
    say(
      `${worker} left: its credential is deleted here. The coordinator could not be reached; its admin can revoke ${worker} (rma revoke ${worker}).`,
    );
}

/** Starts an agent that runs no workload, for as long as leaving takes. */
async function leaveWithoutAgent(stateDir: string, purge: boolean): Promise<LeaveReply> {
  const identity = readIdentity(stateDir);
  if (identity === undefined) throw new AgentFault(`${stateDir} belongs to no worker: there is nothing to leave.`);
  // Imported here, because loading the agent takes a while and no other command needs it.
  const { createAgent } = await import('../agent.js');
  const log = createLog({ level: 'error', format: 'auto' });
  // `insecure`: the donor accepted this address when the worker joined.
  const agent = createAgent({ url: identity.url, stateDir, insecure: true, only: [], sample: false, log });
  await agent.start();
  const reply = await agent.leavePool({ purge, graceMs: 0 });
  await agent.ended;
  return reply;
}

interface InitFlags {
  readonly state: string;
  readonly config?: string;
  readonly url?: string;
  readonly tokenFile?: string;
  readonly name?: string;
}

function init({ state, config = join(state, 'worker.yaml'), url, tokenFile, name }: InitFlags): void {
  if (!writeTemplate(config, { url, tokenFile, name }))
    throw new AgentFault(`${config} is there already; edit it, or remove it first.`);
  say(`wrote ${config}: edit it to set when and how much this machine lends`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
