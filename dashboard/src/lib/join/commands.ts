/**
 * The ways to bring a machine in, as tabs: the very lines of `rma join-command`, what each needs, and how to stop what it
 * starts. Pure.
 */
import { type Join, type JoinForm, joinLine } from '@rma/client/join-lines';

export type Way = 'docker' | 'node' | 'powershell' | 'systemd';

export interface WayInfo {
  readonly way: Way;
  readonly tab: string;
  readonly needs: string;
  /** What the machine's owner types to end it: for now, and for good. */
  readonly stop: string;
  readonly leave: (agent: string) => string;
}

export const WAYS: readonly WayInfo[] = [
  {
    way: 'docker',
    tab: 'Docker',
    needs:
      'Needs Docker and the worker’s image on the machine (or an image of the same name in a registry that it knows). The container starts again with the machine; its identity lies in the volume rma-worker.',
    stop: 'docker stop rma-worker',
    leave: () => 'docker exec rma-worker rma-worker leave && docker rm -f rma-worker && docker volume rm rma-worker',
  },
  {
    way: 'node',
    tab: 'Linux, macOS',
    needs: 'Needs Node.js 20.19 or later, and nothing else: the agent comes from this coordinator. Runs until Ctrl-C.',
    stop: 'Ctrl-C in its terminal',
    leave: (agent) => `npx --yes ${agent} leave`,
  },
  {
    way: 'powershell',
    tab: 'Windows',
    needs: 'For PowerShell. Needs Node.js 20.19 or later, and nothing else. Runs until Ctrl-C.',
    stop: 'Ctrl-C in its window',
    leave: (agent) => `npx --yes '${agent}' leave`,
  },
  {
    way: 'systemd',
    tab: 'Linux service',
    needs:
      'Needs systemd, sudo and Node.js 20.19 or later. Starts with the machine, as a user without a name that may write to its own state only.',
    stop: 'sudo systemctl stop rma-worker',
    leave: () => 'sudo systemctl disable --now rma-worker',
  },
];

/** A way's line, or why there is none: PowerShell cannot pass every name on. */
export function commandFor(way: JoinForm, join: Join): { readonly line: string } | { readonly problem: string } {
  try {
    return { line: joinLine(way, join) };
  } catch (error) {
    if (error instanceof Error && error.name === 'UsageError') return { problem: error.message };
    throw error;
  }
}

/** The way that this browser's own machine would take. @param agent `navigator.userAgent` */
export function likelyWay(agent: string): Way {
  return /windows/i.test(agent) ? 'powershell' : /mac os|linux|x11/i.test(agent) ? 'node' : 'docker';
}

/** The page that a donor opens: the token stands behind the #, which no browser sends. */
export function shareLink(url: string, token: string): string {
  return `${url}/join#${token}`;
}
