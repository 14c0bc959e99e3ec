/** `rma catalog` and `rma placement` as a user runs them; digests come from a registry that speaks the protocol. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageLocation } from '@rma/client/cli/image-registry';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { usePool } from '../support/pool.js';
import { rmaHere } from './support/rma.js';

const manifest = JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json' });
const DIGEST = `sha256:${createHash('sha256').update(manifest).digest('hex')}`;

let registry: Server;
let host: string;
let folder: string;
let asked: string[] = [];

/** `open/*` is free for all, `guarded/*` wants a token, `old/*` tells no digest; nothing else exists. */
beforeAll(async () => {
  registry = createServer((request, response) => {
    const url = new URL(request.url ?? '/', `http://${host}`);
    asked.push(`${request.method} ${url.pathname}`);
    if (url.pathname === '/token') {
      response.end(JSON.stringify({ token: `for ${url.searchParams.get('scope')}` }));
      return;
    }
    const [, repository = ''] = /^\/v2\/(.+)\/manifests\/1$/.exec(url.pathname) ?? [];
    const scope = `repository:${repository}:pull`;
    if (repository.startsWith('guarded/') && request.headers.authorization !== `Bearer for ${scope}`) {
      const challenge = `Bearer realm="http://${host}/token",service="test",scope="${scope}"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
      return;
    }
    const isOld = repository.startsWith('old/');
    if (!isOld && !/^(open|guarded)\//.test(repository)) response.writeHead(404).end();
    else {
      response.writeHead(200, isOld ? {} : { 'docker-content-digest': DIGEST });
      response.end(request.method === 'HEAD' ? undefined : manifest);
    }
  });
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(registry.address() as AddressInfo).port}`;
});

afterAll(() => {
  registry.closeAllConnections();
  registry.close();
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rma-pin-'));
  asked = [];
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function catalogOf(images: Record<string, string>): string {
  const entries = Object.entries(images).map(
    ([name, image]) =>
      `  ${name}: # keep me\n    title: T\n    kinds: []\n    container:\n      image: ${host}/${image}\n      gpu: false\n      resources: { cores: 1, memoryMiB: 64 }\n      network: false\n`,
  );
  return `# mine\nversion: 1\nworkloads:\n${entries.join('')}`;
}

function write(images: Record<string, string>): { file: string; text: string } {
  const file = join(folder, 'catalog.yaml');
  const text = catalogOf(images);
  writeFileSync(file, text);
  return { file, text };
}

it.each([
  ['postgres:17', 'registry-1.docker.io', 'library/postgres', '17'],
  ['vllm/vllm-openai:v0.11.0', 'registry-1.docker.io', 'vllm/vllm-openai', 'v0.11.0'],
  ['docker.io/library/redis', 'registry-1.docker.io', 'library/redis', 'latest'],
  ['ghcr.io/me/it:2', 'ghcr.io', 'me/it', '2'],
  ['localhost:5000/it', 'localhost:5000', 'it', 'latest'],
])('reads the image %s as Docker does', (image, ...place) => {
  const { registry: at, repository, tag } = imageLocation(image);
  expect([at, repository, tag]).toEqual(place);
});

it('pins images of open, guarded and old registries, and leaves the rest of the file alone', async () => {
  const { file, text } = write({ a: 'open/a:1', b: 'guarded/b:1', c: 'old/c:1' });
  const { status, out, err } = await rmaHere(['catalog', 'pin', file]);
  expect([status, err]).toEqual([0, `wrote ${file}\n`]);
  expect(out).toContain(`pinned ${DIGEST}`);
  const pinned = readFileSync(file, 'utf8');
  expect(pinned.match(/digest: /g)).toHaveLength(3);
  expect(pinned.replaceAll(`      digest: ${DIGEST}\n`, '')).toBe(text);
  expect((await rmaHere(['catalog', 'check', file])).out).toBe(
    `${file} is valid: 3 workloads, all images are pinned\n`,
  );
  expect((await rmaHere(['catalog', 'pin', file])).err).toBe(`${file} is unchanged\n`);
});

it('writes no digest that was not told, and says of each image why not', async () => {
  const { file, text } = write({ a: 'open/a:1', gone: 'none/gone:1' });
  const { status, out } = await rmaHere(['catalog', 'pin', file]);
  expect(status).toBe(1);
  expect(out).toContain(`not pinned: ${host} has no none/gone:1`);
  const pinned = readFileSync(file, 'utf8');
  expect(pinned.replace(`      digest: ${DIGEST}\n`, '')).toBe(text);
  expect((await rmaHere(['catalog', 'check', file])).out).toContain('1 of 2 images are not pinned');
});

it('pins one workload alone where that is asked for', async () => {
  const { file } = write({ a: 'open/a:1', b: 'open/b:1' });
  expect((await rmaHere(['catalog', 'pin', file, '--only', 'b'])).status).toBe(0);
  expect(asked).toEqual(['HEAD /v2/open/b/manifests/1']);
  expect((await rmaHere(['catalog', 'pin', file, '--only', 'z'])).status).toBe(2);
});

it('tells every mistake of a catalogue with file, line and column', async () => {
  const { file, text } = write({ a: 'open/a:1' });
  writeFileSync(file, text.replace('gpu: false', 'gpu: maybe').replace('network', 'nework'));
  const { status, err } = await rmaHere(['catalog', 'check', file]);
  expect(status).toBe(1);
  expect(err).toContain(`${file}:9:7: workloads.a.container.gpu: must be boolean`);
  expect(err).toContain(`${file}:11:7: workloads.a.container: there is no field 'nework'`);
  expect((await rmaHere(['catalog', 'check', join(folder, 'none.yaml')])).status).toBe(2);
});

const pool = usePool();

it('shows the catalogue in force, and where each workload can run and why not', async () => {
  const env = { RMA_URL: pool.coordinator.http, RMA_TOKEN: pool.coordinator.token('admin') };
  const { id } = await pool.worker({ name: 'attic' });
  const shown = await rmaHere(['catalog', 'show'], env);
  expect(shown.out).toMatch(/postgres +3 +1 to 1 +trusted, stateful/);
  const placement = await rmaHere(['placement'], env);
  expect(placement.out).toContain('postgres: PostgreSQL (0 replicas, wanted 1 to 1)');
  expect(placement.out).toContain(`cannot    attic (${id}): is not trusted`);
  expect(placement.out).toContain('unmet      no worker that is here may run it');
  const json = JSON.parse((await rmaHere(['placement', 'vllm-chat', '--json'], env)).out);
  expect(json.workers[0].cells).toEqual([{ workload: 'vllm-chat', status: 'cannot', reason: 'has no NVIDIA GPU' }]);
});
