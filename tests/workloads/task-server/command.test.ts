/** The command `rma-task-server`, as a container starts it. */
import { WORKLOAD_NAMES } from '@rma/workloads/manifests';
import { afterEach, expect, it, vi } from 'vitest';
import { Program } from '../../support/program.js';

const BIN = 'workloads/bin/rma-task-server.js';
let program: Program | undefined;

afterEach(async () => {
  await program?.end('SIGKILL');
});

it('serves the workloads that it is given, and ends with 0 on SIGTERM', async () => {
  program = new Program(BIN, ['--workload', 'echo,document', '--port', '0']);
  const port = await program.says(/serving echo, document on 127\.0\.0\.1:(\d+)/);
  const health = async () => expect((await fetch(`http://127.0.0.1:${port}/health`)).ok).toBe(true);
  await vi.waitFor(health, { timeout: 20_000 });
  expect(await program.end('SIGTERM')).toEqual({ code: 0, signal: null });
});

it.each([
  [['--workload', 'nonsense'], new RegExp(`no workload 'nonsense'. There are: ${WORKLOAD_NAMES.join(', ')}`)],
  [[], /required option '--workload/],
  [['--workload', 'echo', '--port', '70000'], /whole number from 0 to 65535/],
  [['--workload', 'echo', '--host', '203.0.113.1', '--port', '0'], /rma-task-server: listen E/],
])('%j is refused with what to do', async (args, message) => {
  program = new Program(BIN, args);
  const { code } = await program.ended;
  expect(code).toBe(1);
  expect(program.stderr).toMatch(message);
});
