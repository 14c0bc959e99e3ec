/** `rma-worker`: runs a subcommand, or one agent until it ends or a signal comes. Its log is on standard error. */

import { createLog } from '@rma/workloads/log';
import { AgentFault, EXIT } from '../fault.js';
import { writeTemplate } from '../policy/template.js';
import { isSubcommand } from './command-names.js';
import { readOptions, type WorkerOptions } from './options.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function run(options: WorkerOptions): Promise<number> {
  const log = createLog({ level: options.logLevel, format: options.logFormat });
  const interactive = options.logFormat === 'pretty' || (options.logFormat === 'auto' && process.stderr.isTTY === true);
  const { createAgent } = await import('../agent.js');
  const agent = createAgent({ ...options.agent, log, interactive });
  const { configFile } = options.agent;
  if (configFile !== undefined && writeTemplate(configFile))
    log.info({ file: configFile }, `wrote ${configFile}: edit it to set when and how much this machine lends`);
  let signals = 0;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      signals += 1;
      if (signals > 1) process.exit(128 + (signal === 'SIGINT' ? 2 : signal === 'SIGHUP' ? 1 : 15));
      void agent.drain(options.graceMs);
    });
  }
  log.info({ url: options.agent.url, state: options.agent.stateDir }, `starting; dialling ${options.agent.url}`);
  await agent.start();
  const { exitStatus, message } = await agent.ended;
  if (message !== undefined) log.fatal({ exitStatus }, message);
  else log.info({}, 'left');
  return exitStatus;
}

try {
  const exitStatus = isSubcommand(process.argv)
    ? await (await import('./commands.js')).runSubcommand(process.argv, process.env)
    : await run(readOptions(process.argv, process.env));
  process.exit(exitStatus);
} catch (error) {
  const text =
    error instanceof AgentFault
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
  process.stderr.write(`rma-worker: ${text}\n`);
  process.exit(error instanceof AgentFault ? error.exitStatus : EXIT.setup);
}
