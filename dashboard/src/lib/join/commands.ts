/** The ways to run an agent: the lines of `rma join-command`, what each needs, and how to stop it. Pure. */
import { type Join, type JoinForm, joinLine } from '@rma/client/join-lines';

export type Way = 'docker' | 'node' | 'powershell' | 'systemd';

export interface WayInfo {
  readonly way: Way;
  readonly tab: string;
  readonly needs: string;
  /** How the donor stops it for now, and for good. */
  readonly stop: string;
  readonly leave: (agent: string) => string;
}

export const WAYS: readonly WayInfo[] = [
  {
    way: 'docker',
    tab: 'Docker',
    needs:
      'Needs Docker and the worker’s image on the machine (or a registry that has an image of that name). The container restarts with the machine; its credential is kept in the volume rma-worker.',
    stop: 'docker stop rma-worker',
    leave: () => 'docker exec rma-worker rma-worker leave && docker rm -f rma-worker && docker volume rm rma-worker',
  },
  {
    way: 'node',
    tab: 'Linux, macOS',
    needs: 'Needs only Node.js 20.19 or later: the agent comes from this coordinator. Runs until Ctrl-C.',
    stop: 'Ctrl-C in its terminal',
    leave: (agent) => `npx --yes ${agent} leave`,
  },
  {
    way: 'powershell',
    tab: 'Windows',
    needs: 'For PowerShell. Needs only Node.js 20.19 or later. Runs until Ctrl-C.',
    stop: 'Ctrl-C in its window',
    leave: (agent) => `npx --yes '${agent}' leave`,
  },
  {
    way: 'systemd',
    tab: 'Linux service',
    needs:
      'Needs systemd, sudo and Node.js 20.19 or later. Starts with the machine, as an unprivileged user that can write only to its own state and cache.',
    stop: 'sudo systemctl stop rma-worker',
    leave: () => 'sudo systemctl disable --now rma-worker',
  },
];

/** The command, or why there is none: PowerShell cannot pass every name on. */
export function commandFor(way: JoinForm, join: Join): { readonly line: string } | { readonly problem: string } {
  try {
    return { line: joinLine(way, join) };
  } catch (error) {
    if (error instanceof Error && error.name === 'UsageError') return { problem: error.message };
    throw error;
  }
}

/** The way that suits this browser's machine. @param agent `navigator.userAgent` */
export function likelyWay(agent: string): Way {
  return /windows/i.test(agent) ? 'powershell' : /mac os|linux|x11/i.test(agent) ? 'node' : 'docker';
}

/** The link for a donor. The token is in the fragment, which browsers do not send. */
export function shareLink(url: string, token: string): string {
  return `${url}/join#${token}`;
}
