/** `rma-worker`: options, one agent, signals, exit status. Everything that it tells goes to standard error. */

import { createLog } from '@rma/workloads/log';
import { AgentFault, EXIT } from './fault.js';
import { readOptions, type WorkerOptions } from './options.js';
import { isDonorCommand } from './policy/command-names.js';
import { writeTemplate } from './policy/template.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function run(options: WorkerOptions): Promise<number> {
  const log = createLog({ level: options.logLevel, format: options.logFormat });
  const people = options.logFormat === 'pretty' || (options.logFormat === 'auto' && process.stderr.isTTY === true);
  const { createAgent } = await import('./agent.js');
  const agent = createAgent({ ...options.agent, log, people });
  const { configFile } = options.agent;
  if (configFile !== undefined && writeTemplate(configFile))
    log.info({ file: configFile }, `wrote ${configFile}: say there when and how much this machine is lent`);
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
  const exitStatus = isDonorCommand(process.argv)
    ? await (await import('./policy/commands.js')).runDonorCommand(process.argv, process.env)
    : await run(readOptions(process.argv, process.env));
  process.exit(exitStatus);
} catch (error) {
  const told =
    error instanceof AgentFault
      ? error.message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
  process.stderr.write(`rma-worker: ${told}\n`);
  process.exit(error instanceof AgentFault ? error.exitStatus : EXIT.setup);
}
