/** One health check of one container: an HTTP request, a connection, or a command inside it. */
import net from 'node:net';
import type { ContainerSpec } from '@rma/protocol/workload';
import { plainLine } from '../plain-line.js';
import type { Engine } from './engine/engine.js';

const CHECK_MS = 5_000;
const COMMAND_MS = 15_000;

/** A container's port as seen from this process. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** @returns undefined when healthy, else the problem */
export async function checkHealth(
  engine: Engine,
  container: string,
  spec: ContainerSpec,
  address: Address | undefined,
): Promise<string | undefined> {
  const health = spec.health ?? (spec.api === 'rma' ? { http: '/health' } : {});
  const needsPort = health.http !== undefined || health.tcp === true;
  if (needsPort && address === undefined) return 'its port is not published';
  if (health.http !== undefined && address !== undefined) {
    const problem = await checkHttp(address, health.http);
    if (problem !== undefined) return problem;
  }
  if (health.tcp === true && address !== undefined) {
    const problem = await checkTcp(address);
    if (problem !== undefined) return problem;
  }
  if (health.command !== undefined) {
    const { exitCode, output } = await engine.containers.exec(container, health.command, COMMAND_MS);
    if (exitCode !== 0) return `${health.command[0]} exited with ${exitCode}: ${plainLine(output, 160)}`;
  }
  return undefined;
}

async function checkHttp({ host, port }: Address, path: string): Promise<string | undefined> {
  try {
    const response = await fetch(`http://${host}:${port}${path}`, {
      signal: AbortSignal.timeout(CHECK_MS),
      redirect: 'manual',
    });
    await response.body?.cancel();
    return response.status < 400 ? undefined : `GET ${path} answered ${response.status}`;
  } catch (error) {
    return `GET ${path} failed: ${causeOf(error)}`;
  }
}

/** The engine's proxy accepts connections on a published port before the container listens; it closes those at once. */
function checkTcp({ host, port }: Address): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const settle = (problem: string | undefined): void => {
      clearTimeout(timer);
      clearTimeout(open);
      socket.destroy();
      resolve(problem);
    };
    const timer = setTimeout(() => settle('its port does not answer'), CHECK_MS);
    let open: NodeJS.Timeout | undefined;
    socket.once('connect', () => {
      open = setTimeout(() => settle(undefined), 200);
    });
    socket.once('data', () => settle(undefined));
    socket.once('end', () => settle('its port closes connections at once'));
    socket.once('error', (error) => settle(`its port cannot be reached: ${error.message}`));
  });
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}
