/** The Docker engine, by its command, for the tests of the images: what they start is named so that it is found again. */
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, vi } from 'vitest';
import { ROOT } from '../../support/program.js';

const run = promisify(execFile);

/** Of this run: containers, volumes, networks and images bear it. */
export const MARK = `rma-test-${process.pid}`;

/** What a `docker` command printed. @throws Error with what it said when it failed */
export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await run('docker', args, { cwd: ROOT, maxBuffer: 16 * 1_048_576 });
  return stdout.trim();
}

/** Builds with the classic builder, which every engine has. @throws Error with the end of what it said */
export async function build(dockerfile: string, tag: string, ...args: string[]): Promise<void> {
  const child = spawn('docker', ['build', '-f', dockerfile, '-t', tag, ...args, '.'], {
    cwd: ROOT,
    env: { ...process.env, DOCKER_BUILDKIT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-8_000);
    });
  }
  const status = await new Promise((resolve) => child.once('close', resolve));
  if (status !== 0) throw new Error(`docker build -f ${dockerfile} ended with ${status}:\n${said}`);
}

/** Waits until the image's own health check passes. */
export async function untilHealthy(container: string): Promise<void> {
  const check = async () => {
    const state = await docker('inspect', '-f', '{{json .State}}', container);
    expect(JSON.parse(state)).toMatchObject({ Running: true, Health: { Status: 'healthy' } });
  };
  await vi.waitFor(check, { timeout: 90_000, interval: 500 });
}

/** The port of this machine at which a container's port is. */
export async function publishedPort(container: string, port: number): Promise<number> {
  return Number((await docker('port', container, `${port}/tcp`)).split('\n')[0]?.split(':').at(-1));
}

/** Removes everything of this run, and the stages that were built on the way. */
export async function removeAll(): Promise<void> {
  const list = async (...args: string[]) => (await docker(...args)).split('\n').filter((name) => name !== '');
  for (const id of await list('ps', '-aq', '--filter', `name=${MARK}`)) await docker('rm', '-f', '-v', id);
  for (const name of await list('volume', 'ls', '-q', '--filter', `name=${MARK}`)) await docker('volume', 'rm', name);
  for (const id of await list('network', 'ls', '-q', '--filter', `name=${MARK}`)) await docker('network', 'rm', id);
}

/** Removes this run's images; RMA_KEEP_IMAGES=1 keeps the stages, so that the next run builds faster. */
export async function removeImages(): Promise<void> {
  const tags = await docker('images', '--format', '{{.Repository}}:{{.Tag}}', '--filter', `reference=${MARK}-*`);
  for (const tag of tags.split('\n').filter((name) => name !== '')) await docker('rmi', '-f', tag);
  if (process.env.RMA_KEEP_IMAGES === undefined) {
    await docker('image', 'prune', '-f', '--filter', 'label=rma.stage=build');
  }
}
