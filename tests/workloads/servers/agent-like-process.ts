/** A process that runs one data service as the agent does, to be killed as an agent may be. */
import { type ChildProcess, spawn } from 'node:child_process';

const SCRIPT = `
const [url, dataDir, workload] = process.argv.slice(1);
const { createEmbeddedRuntime } = await import(url);
const runtime = createEmbeddedRuntime({ workloads: [workload], dataDir });
await runtime.start(() => {
  if (runtime.services()[0]?.state === 'healthy') process.stdout.write('healthy\\n');
});
`;

/** Resolves once the service is healthy. */
export async function startAgentLikeProcess(dataDir: string, workload: string): Promise<ChildProcess> {
  const url = import.meta.resolve('@rma/workloads/host/embedded-runtime');
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, url, dataDir, workload], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
  });
  return child;
}
