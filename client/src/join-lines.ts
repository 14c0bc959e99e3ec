/** The one-line commands that join a machine to a pool, one for each way to run the agent. Pure. */

import { isLoopback } from '@rma/peer/loopback';
import { environmentLine, powerShellArgument, powerShellWord, shWord } from './shell-quote.js';

export const JOIN_FORMS = ['docker', 'node', 'powershell', 'systemd'] as const;
export type JoinForm = (typeof JOIN_FORMS)[number];

export interface Join {
  /** Where the machine reaches the coordinator: http(s), without a slash at its end. */
  readonly url: string;
  /** The path of the agent's tarball there. */
  readonly agentPath: string;
  readonly token: string;
  readonly name: string | undefined;
  readonly gpu: boolean;
  /** The Docker image; by default the project's own CPU or GPU image. */
  readonly image: string | undefined;
}

export const FORM_TITLES: Readonly<Record<JoinForm, string>> = {
  docker: 'Docker',
  node: 'Node.js 20.19 or later on Linux or macOS',
  powershell: 'Node.js 20.19 or later on Windows, in PowerShell',
  systemd: 'A systemd service on Linux, with Node.js 20.19 or later',
};

/** @throws UsageError for a name that the form's shell cannot pass on */
export function joinLine(form: JoinForm, join: Join): string {
  if (form === 'docker') return dockerLine(join);
  if (form === 'node') return nodeLine(join);
  return form === 'powershell' ? powerShellLine(join) : systemdLine(join);
}

/** Whether the agent refuses the address without --insecure: plain http to another machine. */
function isOpen(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !isLoopback(hostname);
}

function agentArguments({ url, name }: Join): string[] {
  return [...(name === undefined ? [] : ['--name', name]), ...(isOpen(url) ? ['--insecure'] : [])];
}

function dockerLine(join: Join): string {
  const { url, token, gpu, image } = join;
  const words = ['docker', 'run', '-d', '--restart', 'unless-stopped', '--name', 'rma-worker'];
  words.push('-v', 'rma-worker:/var/lib/rma-worker', '-e', `COORDINATOR_URL=${url}`, '-e', `RMA_TOKEN=${token}`);
  // Loopback inside a container is the container's own.
  if (isLoopback(new URL(url).hostname)) words.push('--network', 'host');
  if (gpu) words.push('--gpus', 'all');
  words.push(image ?? (gpu ? 'rma-gpu-worker' : 'rma-cpu-worker'), ...agentArguments(join));
  return words.map(shWord).join(' ');
}

function nodeLine(join: Join): string {
  const { url, agentPath, token } = join;
  const words = ['npx', '--yes', url + agentPath, '--url', url, ...agentArguments(join)];
  return `RMA_TOKEN=${shWord(token)} ${words.map(shWord).join(' ')}`;
}

function powerShellLine(join: Join): string {
  const { url, agentPath, token } = join;
  const rest = [url + agentPath, '--url', url, ...agentArguments(join)].map((word) =>
    word.startsWith('--') ? word : powerShellArgument(word, word === join.name ? '--name' : '--url'),
  );
  return `$env:RMA_TOKEN=${powerShellWord(token)}; npx --yes ${rest.join(' ')}`;
}

/** The unit file is served by the coordinator, like the agent; the token goes into a file that only root can read. */
function systemdLine(join: Join): string {
  const { url, agentPath, token, name } = join;
  const variables: [string, string][] = [
    ['RMA_URL', url],
    ['RMA_TOKEN', token],
    ['RMA_AGENT', url + agentPath],
    ...(name === undefined ? [] : ([['RMA_NAME', name]] as [string, string][])),
    ...(isOpen(url) ? ([['RMA_INSECURE', 'true']] as [string, string][]) : []),
  ];
  const lines = variables.map(([key, value]) => shWord(environmentLine(key, value))).join(' ');
  return [
    `printf '%s\\n' ${lines} | sudo install -m 600 /dev/stdin /etc/rma-worker.env`,
    `curl -fsS ${shWord(`${url}/rma-worker.service`)} | sudo tee /etc/systemd/system/rma-worker.service >/dev/null`,
    'sudo systemctl daemon-reload',
    'sudo systemctl enable --now rma-worker',
  ].join(' && ');
}
