/** Resolves an image's tag to its current digest, by the registry HTTP API v2 with its bearer tokens. */

const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const TIMEOUT_MS = 20_000;
const DOCKER_HUB = 'registry-1.docker.io';

export interface ImageLocation {
  /** Host, and port where it is not the usual one. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
}

/** As Docker reads an image's name. */
export function imageLocation(image: string): ImageLocation {
  const slash = image.indexOf('/');
  const first = image.slice(0, Math.max(0, slash));
  const named = slash > 0 && (first.includes('.') || first.includes(':') || first === 'localhost');
  const rest = named ? image.slice(slash + 1) : image;
  const colon = rest.lastIndexOf(':');
  const tagged = colon > rest.lastIndexOf('/');
  const path = tagged ? rest.slice(0, colon) : rest;
  const registry = !named || first === 'docker.io' ? DOCKER_HUB : first;
  return {
    registry,
    repository: registry === DOCKER_HUB && !path.includes('/') ? `library/${path}` : path,
    tag: tagged ? rest.slice(colon + 1) : 'latest',
  };
}

/** As Docker does: plain http for registries on loopback, https for all others. */
function isLocal(registry: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(registry);
}

/** @throws Error naming the registry, the image and the response */
export async function resolveDigest(image: string): Promise<string> {
  const { registry, repository, tag } = imageLocation(image);
  const url = new URL(`${isLocal(registry) ? 'http' : 'https'}://${registry}/v2/${repository}/manifests/${tag}`);
  let answer = await ask(url, 'HEAD', undefined);
  let token: string | undefined;
  if (answer.status === 401) {
    token = await bearerToken(answer, registry, repository);
    answer = await ask(url, 'HEAD', token);
  }
  if (answer.status === 401 || answer.status === 403) {
    throw new Error(`${registry} has no image ${repository}, or requires an account to read it`);
  }
  if (answer.status === 404) throw new Error(`${registry} has no ${repository}:${tag}`);
  if (!answer.ok) throw new Error(`${registry} answered ${answer.status} for ${repository}:${tag}`);
  const header = answer.headers.get('docker-content-digest');
  if (header !== null && DIGEST.test(header)) return header;
  // Old registries omit the header on HEAD: the digest is the SHA-256 of the manifest.
  const full = await ask(url, 'GET', token);
  if (!full.ok) throw new Error(`${registry} answered ${full.status} for ${repository}:${tag}`);
  const hash = await crypto.subtle.digest('SHA-256', await full.arrayBuffer());
  return `sha256:${Buffer.from(hash).toString('hex')}`;
}

async function ask(url: URL, method: 'HEAD' | 'GET', token: string | undefined): Promise<Response> {
  const headers: Record<string, string> = { accept: ACCEPT };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  try {
    return await fetch(url, { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new Error(`${url.host} cannot be reached: ${causeOf(error)}`);
  }
}

/** The token flow that the registry's 401 challenge names: https://distribution.github.io/distribution/spec/auth/token/ */
async function bearerToken(refused: Response, registry: string, repository: string): Promise<string> {
  const challenge = refused.headers.get('www-authenticate') ?? '';
  const field = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1];
  const realm = field('realm');
  if (!/^bearer /i.test(challenge) || realm === undefined || !URL.canParse(realm)) {
    throw new Error(
      `${registry} requires an authentication scheme that this command does not support (${challenge.split(' ')[0] || 'none given'})`,
    );
  }
  const url = new URL(realm);
  if (url.protocol !== 'https:' && !isLocal(url.host)) {
    throw new Error(`${registry} names a token server without https, ${url.origin}: refused`);
  }
  const service = field('service');
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', field('scope') ?? `repository:${repository}:pull`);
  const answer = await ask(url, 'GET', undefined);
  if (!answer.ok) throw new Error(`${url.host} answered ${answer.status} when asked for a token for ${repository}`);
  const body = (await answer.json()) as { token?: unknown; access_token?: unknown };
  const token = body.token ?? body.access_token;
  if (typeof token !== 'string') throw new Error(`${url.host} sent no token for ${repository}`);
  return token;
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1_000} s`;
  return error.cause instanceof Error ? error.cause.message : error.message;
}
