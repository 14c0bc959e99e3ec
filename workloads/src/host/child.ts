/**
 * The entry of a handler process: loads one module of handlers, reports its kinds, and runs one task at a time.
 * Arguments: the module's URL, the agent's process id, the memory limit in MiB, the scratch directory. Exits when the
 * agent does.
 */
import { Worker } from 'node:worker_threads';
import { errorMessage } from '@rma/protocol/error';
import type { Outcome, TaskContext } from '../runtime.js';
import { loadModule } from './handler-module.js';
import type { FromChild, ToChild } from './messages.js';
import { runHandler } from './run-handler.js';
import { removeScratch, type WatchdogData } from './watchdog.js';

/** Progress is for people: reports are throttled to one in this time. */
const PROGRESS_EVERY_MS = 100;

const [moduleUrl, parentPid, memoryMiB, home] = process.argv.slice(2);
if (!process.send || moduleUrl === undefined) {
  process.stderr.write('This file is started by rma-worker; it does nothing on its own.\n');
  process.exit(1);
}

const watchdogData: WatchdogData = { parentPid: Number(parentPid), memoryMiB: Number(memoryMiB), home };
const watchdog = new Worker(new URL('./watchdog.js', import.meta.url), {
  workerData: watchdogData,
  resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
});
watchdog.unref();
process.on('disconnect', () => {
  removeScratch(home);
  process.exit(0);
});
process.on('SIGINT', () => undefined); // Ctrl-C in the donor's terminal is the agent's to handle.

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

const loading = await loadModule(moduleUrl);
if (!loading.ok) {
  send({ type: 'broken', reason: loading.reason });
} else {
  let current: { readonly run: number; readonly abort: AbortController } | undefined;

  const run = async (request: Extract<ToChild, { type: 'run' }>): Promise<void> => {
    const abort = new AbortController();
    current = { run: request.run, abort };
    let lastProgressAt = 0;
    let lastNote: string | undefined;
    const context: TaskContext = {
      signal: abort.signal,
      progress(fraction, note) {
        const now = performance.now();
        if (fraction < 1 && note === lastNote && now - lastProgressAt < PROGRESS_EVERY_MS) return;
        lastProgressAt = now;
        lastNote = note;
        const clamped = Math.min(1, Math.max(0, Number(fraction) || 0));
        send({
          type: 'progress',
          run: request.run,
          fraction: clamped,
          ...(note === undefined ? {} : { note: String(note) }),
        });
      },
      chunk(value) {
        send({ type: 'chunk', run: request.run, value });
      },
      llm: request.llm,
    };
    const handler = loading.handlers[request.kind];
    const outcome = await runHandler(handler, request.kind, request.input, context);
    current = undefined;
    sendOutcome(request.run, request.kind, outcome);
  };

  process.on('message', (message: ToChild) => {
    if (message.type === 'run') void run(message);
    else if (current?.run === message.run) current.abort.abort(new Error(message.reason));
  });
  send({ type: 'loaded', kinds: Object.keys(loading.handlers) });
}

/** An output that cannot be copied to another process (a function, a class with private state) fails its task, not the process. */
function sendOutcome(run: number, kind: string, outcome: Outcome): void {
  try {
    send({ type: 'done', run, outcome });
  } catch (error) {
    const why = errorMessage(error);
    const message = `${kind}: the handler's output cannot be sent (${why}). Return plain values: numbers, strings, lists, maps, Uint8Array.`;
    send({ type: 'done', run, outcome: { ok: false, error: { code: 'handler.output', message, retryable: false } } });
  }
}
