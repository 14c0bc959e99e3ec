/** The inference servers of a donor: those given with `--endpoint`, and the default addresses at which to detect others. */
import { AgentFault } from '../fault.js';
import type { ServerAddress } from './http.js';
import type { ServerProduct } from './models.js';

/** The workload of every LLM service, whichever runtime serves it. */
export const LLM_WORKLOAD = 'llm';
export const DEFAULT_ENDPOINT_SLOTS = 4;

/** A server to use. */
export interface EndpointSpec extends ServerAddress {
  /** The service's name, unique on this worker. */
  readonly name: string;
  /** Tasks at once. */
  readonly slots: number;
  /** Detected: offered only once a server of this product answers. */
  readonly product?: ServerProduct;
}

/** Default ports. Other programs use them, too (the coordinator itself 8080), hence the check of `product`. */
const DETECTED: readonly { readonly product: ServerProduct; readonly name: string; readonly port: number }[] = [
  { product: 'ollama', name: 'llm-ollama', port: 11_434 },
  { product: 'vllm', name: 'llm-vllm', port: 8_000 },
  { product: 'llama.cpp', name: 'llm-llama-cpp', port: 8_080 },
];

export interface EndpointOptions {
  /** As given with `--endpoint`: `llm=URL`. */
  readonly endpoints: readonly string[];
  readonly key?: string | undefined;
  readonly slots?: number | undefined;
  /** Whether to detect servers on this machine. */
  readonly detect: boolean;
  /** The coordinator's address, whose port is left out of detection. */
  readonly coordinator?: string | undefined;
}

/** The given endpoints, then those to detect. @throws AgentFault for a malformed or repeated endpoint */
export function endpointSpecs({
  endpoints,
  key,
  slots = DEFAULT_ENDPOINT_SLOTS,
  detect,
  coordinator,
}: EndpointOptions): EndpointSpec[] {
  const given = endpoints.map((text, index): EndpointSpec => {
    const name = index === 0 ? LLM_WORKLOAD : `${LLM_WORKLOAD}-${index + 1}`;
    return { name, baseUrl: parseEndpoint(text), key, slots };
  });
  const twice = given.find((spec, index) => given.findIndex(({ baseUrl }) => baseUrl === spec.baseUrl) !== index);
  if (twice !== undefined) throw new AgentFault(`--endpoint: ${twice.baseUrl} was given twice; once is enough.`);
  if (!detect) return given;
  const known = [...given.map(({ baseUrl }) => baseUrl), ...(coordinator === undefined ? [] : [coordinator])];
  const taken = new Set(known.map(localPort));
  const detected = DETECTED.filter(({ port }) => !taken.has(port)).map(
    ({ product, name, port }): EndpointSpec => ({ name, product, slots, baseUrl: `http://127.0.0.1:${port}/v1` }),
  );
  return [...given, ...detected];
}

function parseEndpoint(text: string): string {
  const at = text.indexOf('=');
  const what = text.slice(0, Math.max(0, at));
  const address = text.slice(at + 1);
  if (what !== LLM_WORKLOAD) throw wrong(text);
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw wrong(text);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw wrong(text);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new AgentFault(
      '--endpoint must not hold a key, password or query: addresses end up in logs. Give the key with RMA_ENDPOINT_KEY or --endpoint-key-env NAME.',
    );
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/** The port of an address on this machine. */
function localPort(address: string): number | undefined {
  if (!URL.canParse(address)) return undefined;
  const { hostname, port, protocol } = new URL(address);
  if (!/^(localhost|\[::1\]|127(\.\d{1,3}){3})$/.test(hostname)) return undefined;
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}

function wrong(text: string): AgentFault {
  return new AgentFault(
    `--endpoint: '${text}' is not llm=URL. Give the address of an OpenAI-compatible server with its path, for example --endpoint llm=http://127.0.0.1:11434/v1`,
  );
}
