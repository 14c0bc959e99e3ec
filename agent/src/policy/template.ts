/** The `worker.yaml` that the first start writes: every setting, explained and commented out. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorMessage } from '@rma/protocol/error';
import { AgentFault } from '../fault.js';
import type { WorkerSettings } from './worker-file.js';

/** @param settings written as settings, not as comments */
export function workerTemplate({ url, tokenFile, name }: WorkerSettings = {}): string {
  const setting = (key: string, value: string | undefined, example: string): string =>
    value === undefined ? `# ${key}: ${example}` : `${key}: ${JSON.stringify(value)}`;
  return `# The policy of this machine: what it lends to the pool, and when. Remove the # from a line to put it in force.
# A change takes effect within seconds, without a restart (url, tokenFile, name and labels: at the next start).
# A mistake is logged with its line, and the previous policy stays in force. Flags win over this file.

# The coordinator, the file with a join token (first start only), and what people call this machine.
${setting('url', url, 'https://pool.example.org')}
${setting('tokenFile', tokenFile, '/home/me/join.token')}
${setting('name', name, 'attic-pc')}
# labels:
#   region: eu

# When it is available, in local time of this time zone. Without windows: always.
# days: mon tue wed thu fri sat sun, or daily, weekdays, weekend. A window that ends before it begins ends on the next day.
# schedule:
#   timeZone: Europe/London
#   windows:
#     - days: [weekdays]
#       from: 18:00
#       to: 08:00
#     - days: [weekend]
#       from: 00:00
#       to: 24:00

# Only when nobody has used it for so many minutes (true: 10). As soon as somebody does, running tasks are handed back.
# onlyWhenIdle: 10

# When the hours end, or you pause: finish (running tasks may end within graceMinutes) or return (other workers do them).
# whenClosed: finish
# graceMinutes: 15

# Never more than this. A GPU hotter than its limit gets no new tasks until it has cooled down by 5 degrees.
# caps:
#   cores: 4
#   memoryMiB: 8192
#   vramMiB: 8192
#   diskMiB: 51200
#   gpuTemperatureC: 80
#   bandwidthKiBps: 1024

# Only these. A list that is left out allows everything; * stands for any text in an image's name. The images are those
# of services from the pool's catalogue.
# allow:
#   workloads: [ocr, ner]
#   kinds: [ocr.read, ner.extract]
#   images: ["postgres:*", "ghcr.io/example/*"]

# Images that tasks may run here (container.run), without network and within the caps. Without a list: none.
# jobs:
#   images: ["python:3.13-slim", "ghcr.io/our-lab/*"]
`;
}

/** Writes the file unless it exists; answers whether it did. @throws AgentFault when it cannot be written */
export function writeTemplate(path: string, settings: WorkerSettings = {}): boolean {
  if (existsSync(path)) return false;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, workerTemplate(settings), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    throw new AgentFault(`cannot write ${path}: ${errorMessage(error)}`);
  }
}
