/** `rma-worker pause | resume | status | leave | init`: for a running agent by its control socket, or without one on disk. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createLog } from '@rma/workloads/log';
import { Command } from 'commander';
import { AgentFault } from '../fault.js';
import { defaultStateDir, readIdentity } from '../state-dir.js';
import type { DonorCommand } from './command-names.js';
import { order } from './control-client.js';
import type { Departure } from './control-server.js';
import { timeText } from './lender.js';
import { readPause, writePause } from './pause-file.js';
import { localTimeZone } from './schedule.js';
import { type AgentStatus, statusText } from './status.js';
import { writeTemplate } from './template.js';
import { parseDuration, parseUntil } from './until.js';

/** @returns the exit status @throws AgentFault */
export async function runDonorCommand(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let status = 0;
  const program = new Command('rma-worker');
  const command = (name: DonorCommand, description: string): Command =>
    program
      .command(name)
      .description(description)
      .option('--state <DIR>', 'the state directory of the worker', defaultStateDir(env))
      .allowExcessArguments(false)
      .showHelpAfterError('(--help tells all options)');
  command('pause', 'No new tasks; what runs ends as worker.yaml says (whenClosed); then the machine disconnects.')
    .option('--for <TIME>', 'such as 30m, 2h, 1d')
    .option('--until <TIME>', 'such as 18:00, or 2027-01-31T18:00')
    .action(pause);
  command('resume', 'Ends a pause.').action(resume);
  command('status', 'What this worker does, and when it is lent. Exit status 0: it runs, 4: it does not.')
    .option('--json', 'for programs')
    .action(async (options: { state: string; json?: true }) => {
      status = await tellStatus(options);
    });
  command('leave', 'Leaves the pool for good: the credential is revoked and deleted, containers are removed.')
    .option('--purge', 'remove data too: volumes of services, everything in the state directory but worker.yaml')
    .option('--grace <SECONDS>', 'how long running tasks may go on', '5')
    .action(leave);
  command('init', 'Writes a commented worker.yaml to edit.')
    .option('--config <FILE>', 'where (default: worker.yaml in the state directory)')
    .option('--url <URL>', "the coordinator's address")
    .option('--token-file <FILE>', 'a file that holds the join token')
    .option('--name <NAME>', 'what people call this machine')
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
  const status = (await order(state, { do: 'pause', ...(untilMs === undefined ? {} : { untilMs }) })) as
    | AgentStatus
    | undefined;
  const end = untilMs === undefined ? 'until `rma-worker resume`' : `until ${timeText(untilMs, localTimeZone())}`;
  if (status === undefined) {
    mkdirSync(state, { recursive: true, mode: 0o700 });
    writePause(state, { untilMs });
    say(`paused ${end}; no rma-worker runs on ${state} now, the next one will find it paused`);
    return;
  }
  const { runningTasks: tasks } = status;
  say(
    `paused ${end}${tasks === 0 ? '' : `; ${tasks} running ${tasks === 1 ? 'task ends' : 'tasks end'} as worker.yaml says`}`,
  );
}

async function resume({ state }: { state: string }): Promise<void> {
  const status = (await order(state, { do: 'resume' })) as AgentStatus | undefined;
  if (status === undefined) {
    const was = readPause(state);
    writePause(state, undefined);
    say(`${was === undefined ? 'was not paused' : 'not paused any more'}; no rma-worker runs on ${state} now`);
    return;
  }
  const { lending } = status;
  say(lending.state === 'open' ? 'not paused any more' : `not paused any more, but not lent now: ${lending.reason}`);
}

async function tellStatus({ state, json }: { state: string; json?: true }): Promise<number> {
  const status = (await order(state, { do: 'status' })) as AgentStatus | undefined;
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
  const who = identity === undefined ? 'it has not joined a pool' : `it is ${identity.id} at ${identity.url}`;
  say(`no rma-worker runs on ${state}; ${who}${paused === undefined ? '' : '; paused'}`);
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
  const answer = (await order(state, { do: 'leave', purge, graceMs }, graceMs + 60_000)) as Departure | undefined;
  const { told, worker } = answer ?? (await leaveAlone(state, purge));
  if (told) say(`${worker} left the pool for good`);
  else
    say(
      `${worker} left: its credential is deleted here. The coordinator could not be told; its admin can revoke ${worker} (rma revoke ${worker}).`,
    );
}

/** No agent runs: one is started for as long as leaving takes, without running anything. */
async function leaveAlone(stateDir: string, purge: boolean): Promise<Departure> {
  const identity = readIdentity(stateDir);
  if (identity === undefined) throw new AgentFault(`${stateDir} belongs to no worker: there is nothing to leave.`);
  // Here, because it takes a while, and the other commands need none of it.
  const { createAgent } = await import('../agent.js');
  const log = createLog({ level: 'error', format: 'auto' });
  // An address that was good enough to join is good enough to leave.
  const agent = createAgent({ url: identity.url, stateDir, insecure: true, only: [], sample: false, log });
  await agent.start();
  const departure = await agent.depart({ purge, graceMs: 0 });
  await agent.ended;
  return departure;
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
  say(`wrote ${config}: edit it to say when and how much this machine is lent`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
