/** Services in containers of a real engine: healthy, healed, adopted, replaced, and gone without a trace. */
import { statSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { removeAll, removeUnassigned } from '@rma/agent/docker/clean-up';
import { agentLabel, ofAgent } from '@rma/agent/docker/labels';
import { silentLog } from '@rma/agent/log';
import { describe, expect, it, vi } from 'vitest';
import { needs } from '../support/needs.js';
import { docker, POSTGRES, REDIS, spec, useDocker } from './support/fixture.js';

/** Ends at once when asked to, as a shell as process 1 does not by itself. */
const IDLE = ['sh', '-c', 'trap exit TERM; sleep 1000 & wait'];
const psql = (id: string, sql: string) =>
  docker('exec', id, 'sh', '-c', `PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -U postgres -tAc "${sql}"`);

describe('a service in a container', { ...needs('docker'), timeout: 90_000 }, () => {
  const fixture = useDocker();
  const inspect = (id: string, format: string) => docker('inspect', '--format', format, id);
  const mine = async () => (await fixture.engine.containers.list(ofAgent(fixture.agent))).map(({ id }) => id);

  it('runs redis healthy, on a port of 127.0.0.1 alone, with the service profile', async () => {
    const { reaches, runtime, seen } = fixture.runtime(await fixture.host(), 'redis', REDIS);
    await reaches('healthy');
    expect([...new Set(seen.map(({ state }) => state))]).toEqual(['starting', 'healthy']);
    const [id = ''] = await mine();
    const { hostname, port } = new URL(runtime.baseUrl ?? '');
    expect(hostname).toBe('127.0.0.1');
    expect(await ask(Number(port), 'PING\r\n')).toBe('+PONG\r\n');
    const config = JSON.parse(inspect(id, '{{json .HostConfig}}')) as Record<string, unknown>;
    expect(config).toMatchObject({
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true'],
      Privileged: false,
      Memory: 128 * 1_048_576,
      MemorySwap: 128 * 1_048_576,
      NanoCpus: 1e9,
      PidsLimit: 2_048,
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
    });
    expect(config.Binds ?? []).toEqual([]);
  });

  it('runs postgres healthy with a password that it keeps, and its data outlives a stop', async () => {
    const host = await fixture.host();
    const first = fixture.runtime(host, 'postgres', POSTGRES);
    await first.reaches('healthy');
    const [id = ''] = await mine();
    psql(id, 'create table kept (n int); insert into kept values (42)');
    const password = (container: string) =>
      /POSTGRES_PASSWORD=(\S+)/.exec(inspect(container, '{{json .Config.Env}}'))?.[1];
    const before = password(id);
    expect(statSync(join(fixture.directory, 'secrets.json')).mode & 0o777).toBe(0o600);
    await first.runtime.stop();
    expect(await mine()).toEqual([]);
    const second = fixture.runtime(host, 'postgres', POSTGRES);
    await second.reaches('healthy');
    const [again = ''] = await mine();
    expect(password(again)).toBe(before);
    expect(psql(again, 'select n from kept')).toBe('42');
  });

  it('heals after docker kill, and says how it ended', async () => {
    const { reaches, seen } = fixture.runtime(await fixture.host(), 'redis', REDIS);
    await reaches('healthy');
    const [id = ''] = await mine();
    docker('kill', id);
    await vi.waitFor(async () => expect(await mine()).not.toEqual([id]), { timeout: 20_000 });
    await reaches('healthy');
    expect(seen.find(({ state }) => state === 'unhealthy')?.reason).toMatch(/^exited with 137.*next try in 1 s$/);
  });

  it('adopts its running container after a crash of the agent, without a restart', async () => {
    const host = await fixture.host();
    const first = fixture.runtime(host, 'redis', REDIS);
    await first.reaches('healthy');
    const before = await mine();
    // A second runtime is the next run of the agent: the first one is not stopped, so its container keeps running.
    const next = fixture.runtime(await fixture.host(), 'redis', REDIS);
    await next.reaches('healthy');
    expect(await mine()).toEqual(before);
    expect(next.seen.map(({ state }) => state)).not.toContain('pulling');
  });

  it('replaces the container when another configuration is assigned, and leaves it alone for the same one', async () => {
    const { reaches, runtime } = fixture.runtime(await fixture.host(), 'redis', REDIS);
    await reaches('healthy');
    const before = await mine();
    runtime.update({ ...REDIS });
    await reaches('healthy');
    expect(await mine()).toEqual(before);
    runtime.update({ ...REDIS, env: { A: '1' } });
    await vi.waitFor(async () => expect(await mine()).not.toEqual(before), { timeout: 20_000 });
    await reaches('healthy');
    expect((await mine()).length).toBe(1);
  });

  it('says that a container exits in a loop, with its last line, and tries ever later', async () => {
    const looping = spec({ command: ['sh', '-c', 'echo starting up >&2; echo no database configured >&2; exit 1'] });
    const { reaches, seen } = fixture.runtime(await fixture.host(), 'loop', {
      ...looping,
      health: { command: ['false'] },
    });
    await reaches('unhealthy', /^exited with 1 three times: no database configured; next try in 4 s$/);
    expect(seen.some(({ reason }) => /next try in 1 s$/.test(reason ?? ''))).toBe(true);
    expect(seen.some(({ reason }) => /twice.*next try in 2 s$/.test(reason ?? ''))).toBe(true);
  });

  it('gives up a container that never gets healthy, and says what its check said', async () => {
    const never = spec({ command: IDLE, port: 8_080, health: { http: '/health', startSeconds: 1 } });
    const { reaches, status } = fixture.runtime(await fixture.host(), 'never', never);
    await reaches('unhealthy', /^not healthy after 1 s: GET \/health failed: .*next try in 1 s$/);
    expect(status().slots).toBe(0);
  });

  it('says that its memory was not enough', async () => {
    const hungry = spec({
      resources: { cores: 1, memoryMiB: 16 },
      command: ['sh', '-c', 'x=a; while true; do x="$x$x"; done'],
      health: { command: ['false'] },
    });
    const { reaches } = fixture.runtime(await fixture.host(), 'hungry', hungry);
    await reaches('unhealthy', /was killed above its 16 MiB of memory|exited with/);
  });

  it('says that the command of an image cannot be run', async () => {
    const { reaches } = fixture.runtime(await fixture.host(), 'typo', spec({ command: ['no-such-program'] }));
    await reaches('unhealthy', /^its command cannot be run: .*no-such-program/);
  });

  it('says that the engine lacks the toolkit where a GPU is asked for', async () => {
    const host = await fixture.host();
    if (host.info.nvidia) return;
    const { reaches } = fixture.runtime(host, 'gpu', spec({ gpu: true, command: ['sleep', '100'] }));
    await reaches('unhealthy', /^the engine cannot give GPUs to containers: install the NVIDIA Container Toolkit/);
  });

  it('may not reach beyond the machine unless its workload says so', async () => {
    const host = await fixture.host();
    const closed = fixture.runtime(host, 'closed', spec({ command: IDLE }));
    await closed.reaches('healthy');
    const [id = ''] = await mine();
    const network = docker('inspect', '--format', '{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}', id);
    const options = docker('network', 'inspect', '--format', '{{json .Options}}', network);
    expect(JSON.parse(options)).toMatchObject({
      'com.docker.network.bridge.enable_ip_masquerade': 'false',
      'com.docker.network.bridge.enable_icc': 'false',
    });
  });

  it('removes what is not assigned any more, and nothing else', async () => {
    const host = await fixture.host();
    const kept = fixture.runtime(host, 'kept', spec({ command: IDLE }));
    const lost = fixture.runtime(host, 'lost', spec({ command: IDLE }));
    await Promise.all([kept.reaches('healthy'), lost.reaches('healthy')]);
    const { agent, worker } = host.owner;
    await removeUnassigned(host.engine, agent, worker, ['kept'], silentLog());
    const left = await fixture.engine.containers.list(ofAgent(agent));
    expect(left.map(({ labels }) => labels['rma.workload'])).toContain('kept');
  });

  it('leaves no container behind when the worker leaves, and purges its data only when asked to', async () => {
    const host = await fixture.host();
    const { reaches } = fixture.runtime(host, 'redis', REDIS);
    await reaches('healthy');
    const { engine, directory: stateDir, key: stateKey } = fixture;
    const all = { engine, stateDir, stateKey };
    expect((await removeAll({ ...all, purgeVolumes: false })).containers.length).toBe(1);
    expect((await engine.volumes.list(ofAgent(agentLabel(stateKey)))).length).toBe(1);
    expect((await removeAll({ ...all, purgeVolumes: true })).volumes.length).toBe(1);
  });

  it('tells the last lines of its log, and those after a time', async () => {
    const talking = spec({
      command: ['sh', '-c', 'echo one; echo two >&2; echo three; trap exit TERM; sleep 1000 & wait'],
    });
    const { reaches, runtime } = fixture.runtime(await fixture.host(), 'talking', talking);
    await reaches('healthy');
    const all = await vi.waitFor(async () => {
      const lines = await runtime.logs(10, undefined);
      expect(lines.map(({ text }) => text).sort()).toEqual(['one', 'three', 'two']);
      return lines;
    });
    const sorted = [...all].sort((a, b) => (a.at < b.at ? -1 : 1));
    expect((await runtime.logs(10, sorted[1]?.at)).map(({ text }) => text)).toEqual([sorted[2]?.text]);
    expect((await runtime.logs(1, undefined)).length).toBe(1);
  });
});

/** One question over TCP. */
function ask(port: number, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: '127.0.0.1', port }, () => socket.write(question));
    socket.once('data', (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.once('error', reject);
  });
}
