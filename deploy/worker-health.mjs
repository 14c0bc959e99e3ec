/**
 * The health check of the worker images: whether the agent is online, by its status file; without an agent, whether the
 * task server is healthy. Prints the reason, which `docker inspect` shows.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const statusFile = join(process.env.XDG_STATE_HOME ?? '/var/lib', 'rma-worker', 'presence.json');
if (existsSync(statusFile)) {
  const { state, why, since } = JSON.parse(readFileSync(statusFile, 'utf8'));
  console.log(`${state} since ${since}${why ? `: ${why}` : ''}`);
  process.exit(state === 'online' ? 0 : 1);
}
const port = process.env.RMA_TASK_SERVER_PORT ?? 8000;
try {
  const response = await fetch(`http://127.0.0.1:${port}/health`);
  console.log((await response.text()).trim());
  process.exit(response.ok ? 0 : 1);
} catch (error) {
  console.log(`neither an agent nor a task server on port ${port} runs here: ${error.cause?.message ?? error}`);
  process.exit(1);
}
