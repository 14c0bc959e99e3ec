/** Where machines reach a pool: the address that its coordinator gives itself, and the agent's package there. */
import { isLoopback } from '@rma/peer/loopback';

export interface PoolAddress {
  /** http(s), without a slash at its end: the coordinator's --public-url where it has one, else where it was asked. */
  readonly url: string;
  /** The agent's package of exactly this version, which no cache of npx can confuse, where the coordinator names it. */
  readonly agentPath: string;
  /** The coordinator was built without the agent's package: only the Docker form will work. */
  readonly lacksAgent: boolean;
}

/** loopback: no other machine reaches it. open: anybody on the way can read what crosses. */
export type Reach = 'everywhere' | 'open' | 'loopback';

const TIMEOUT_MS = 10_000;
export const PLAIN_AGENT_PATH = '/agent.tgz';

/** @param url of the coordinator, http(s) */
export async function poolAddress(url: string): Promise<PoolAddress> {
  const base = url.replace(/\/+$/, '');
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const health = (await (await fetch(`${base}/health`, { signal })).json()) as { publicUrl?: unknown };
  const agent = await fetch(`${base}${PLAIN_AGENT_PATH}`, { method: 'HEAD', signal });
  const path = agent.headers.get('content-location');
  return {
    url: typeof health.publicUrl === 'string' ? health.publicUrl.replace(/\/+$/, '') : base,
    agentPath: path !== null && /^\/agent-[\w.-]+\.tgz$/.test(path) ? path : PLAIN_AGENT_PATH,
    lacksAgent: !agent.ok,
  };
}

export function reachOf(url: string): Reach {
  const { protocol, hostname } = new URL(url);
  if (isLoopback(hostname)) return 'loopback';
  return protocol === 'http:' ? 'open' : 'everywhere';
}
